"""Putting one layer back: all others stay bit for bit, and what is told is what such a network answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from compress_core.apply.model import Model
from compress_core.apply.run import compress, compressed_further
from compress_core.decide.restored_layers import (
    RestoredLayers,
    changed_layers,
    restored_layers,
    with_layer_restored,
)
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import compare, predict
from compress_core.recipe.values import Recipe, Rule, Step
from dashboard.figures.put_back import confidence_put_back, turned_back
from tests.subjects import Mlp, rules, seeded, tiny_subject

SUBJECT = tiny_subject(seeded(Mlp()), (6,), items=80)
SPLIT = SUBJECT.split("validation")
STORE = Store(2**24)


def model_of(name: str) -> Model:
    """The same network compressed in ways that leave layers in other forms."""
    harsh = Step.of("magnitude", sparsity=0.7)
    match name:
        case "pruned":
            return compress(SUBJECT, rules(any=(harsh, Step.of("uniform", bits=3))), STORE)
        case "factored":
            made = Recipe((Rule("fc2", (Step.of("low_rank", rank=2),)), Rule("*", (harsh,))))
            return compress(SUBJECT, made, STORE)
        case "shared":  # one budget over the network: putting a layer back must not move the others
            return compress(SUBJECT, rules(any=Step.of("magnitude", sparsity=0.8, scope="network")), STORE)
        case _:  # a second recipe on top of a first one
            return compressed_further(compress(SUBJECT, rules(fc1=harsh), STORE), rules(fc3=harsh), STORE)


@pytest.fixture(params=["pruned", "factored", "shared", "on_top"])
def model(request: pytest.FixtureRequest) -> Model:
    return model_of(request.param)


def found_for(model: Model) -> RestoredLayers:
    items = np.sort(compare(model, SPLIT, STORE).changed_items()["item"].to_numpy(np.int64))
    assert items.size, "the case needs flips"
    return result_of(restored_layers(model, SPLIT, items, STORE))


def test_all_other_weights_stay_bit_for_bit_and_this_one_is_as_it_was(model: Model) -> None:
    for name in changed_layers(model):
        back = with_layer_restored(model, name)
        for layer in model.base.layers:
            assert model.parent is not None
            wanted = model.parent if layer.name == name else model
            assert torch.equal(back.values(layer.name), wanted.values(layer.name)), (name, layer.name)


def test_what_is_answered_is_what_such_a_network_answers(model: Model) -> None:
    found = found_for(model)
    inputs = SPLIT.inputs[torch.from_numpy(found.items)]
    with torch.no_grad():
        for place, name in enumerate(found.layers):
            answers = with_layer_restored(model, name).network()(inputs).softmax(dim=1)
            assert np.array_equal(found.predicted[place], answers.argmax(dim=1).numpy())
            own = answers.numpy()[np.arange(len(inputs)), found.class_before]
            assert np.allclose(found.confidence[place], own, atol=1e-6)
    assert (found.class_before != found.class_after).all()


def test_with_all_layers_back_every_item_is_answered_as_before_the_recipe(model: Model) -> None:
    found = found_for(model)
    assert model.parent is not None
    assert np.array_equal(found.all_back, predict(model.parent, SPLIT, STORE).predicted[found.items])
    assert "fc1" not in found.layers or len(model.lineage) == 1, "not what this recipe did"
    assert np.array_equal(found.turned_back(), found.is_back.mean(axis=1))


def test_a_cause_is_named_only_where_it_turns_the_item_back_the_surest_first(model: Model) -> None:
    found = found_for(model)
    for place in range(len(found.items)):
        rows = [found.layers.index(name) for name in found.causes(place)]
        assert set(rows) == set(np.flatnonzero(found.is_back[:, place]))
        assert list(found.confidence[rows, place]) == sorted(found.confidence[rows, place], reverse=True)


def test_both_figures_name_the_layer_that_did_it() -> None:
    layers, confidence = ["fc1", "<b>fc2</b>"], np.array([0.2, 0.9])
    drawn = confidence_put_back(
        7, layers, confidence, np.array([False, True]), before=0.99, after=0.1, class_name="cat"
    )
    assert "putting back &lt;b&gt;fc2" in drawn.figure.layout.title.text
    nothing = confidence_put_back(
        7, layers, confidence, np.zeros(2, dtype=np.bool_), before=0.99, after=0.1, class_name="cat"
    )
    assert "no single layer" in nothing.figure.layout.title.text
    every = turned_back(layers, np.array([0.25, 0.5]), 8)
    assert "&lt;b&gt;fc2&lt;/b&gt; alone turns back 50 %" in every.figure.layout.title.text
    assert list(every.table["share_turned_back"]) == [0.25, 0.5]
