"""What holds of every training method: its bits, its end after an interruption, its knobs at their edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

import pytest
import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor

from compress_core.apply.model import Model
from compress_core.training.loop import Trained
from compress_core.training.method import training_method_named, training_methods
from compress_core.training.plan import parse_plan
from tests.test_training import assert_equal, epochs_of
from tests.training_cases import compressed, run_of

PRUNED = {"technique": "magnitude", "sparsity": 0.5, "scope": "row"}
QUANTIZED = {"technique": "uniform", "bits": 4}
EPOCHS = 3
"""So many steps have every method change its masks or go back on the small table."""


def edges(method: str) -> Iterator[dict[str, Any]]:
    """Each knob at each end of its range, or with each of its words; the others as they are declared."""
    for name, field in training_method_named(method).knobs.model_fields.items():
        values = [word for word in get_args(field.annotation) if isinstance(word, str)]
        for bound in field.metadata:
            match bound:
                case Ge(ge=limit) | Le(le=limit):
                    values.append(limit)
                case Gt(gt=limit):
                    values.append(limit + 0.01)
                case Lt(lt=limit):
                    values.append(limit - 0.01)
        yield from ({"method": method, name: value} for value in values)


def model_for(method: str, *steps: Mapping[str, Any]) -> Model:
    """A model that the method trains: one that rounds asks for a quantized one."""
    rounds = training_method_named(method).function().parametrization is not None
    return compressed(*steps, QUANTIZED) if rounds else compressed(*steps)


@cache
def whole(method: str) -> tuple[tuple[Any, ...], Trained]:
    """A short training with every checkpoint on its way."""
    kept, found = epochs_of(run_of(model_for(method), epochs=EPOCHS, batch_size=64, methods=[method]))
    return tuple(kept), found


def finite(values: Mapping[str, Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in values.values() if tensor.is_floating_point())


@pytest.mark.parametrize("method", training_methods())
def test_a_method_learns_and_says_what_it_does_and_where_it_comes_from(method: str) -> None:
    declared, (_, found) = training_method_named(method), whole(method)
    assert declared.summary.endswith(".")
    assert any(year.isdigit() and len(year) == 4 for year in declared.source.replace(",", " ").split())
    assert all(field.description for field in declared.knobs.model_fields.values())
    assert found.ended is None
    assert finite({n: e.values for n, part in found.weights.layers.items() for e in part})


@pytest.mark.slow
@pytest.mark.parametrize("method", training_methods())
def test_the_same_seed_gives_the_same_bits(method: str) -> None:
    _, again = epochs_of(run_of(model_for(method), epochs=EPOCHS, batch_size=64, methods=[method]))
    assert_equal(again.weights, whole(method)[1].weights)


@pytest.mark.parametrize("method", training_methods())
def test_a_training_by_any_method_comes_to_the_same_end_from_each_of_its_epochs(method: str) -> None:
    kept, found = whole(method)
    run = run_of(model_for(method), epochs=EPOCHS, batch_size=64, methods=[method])
    for checkpoint in kept[:-1]:
        _, resumed = epochs_of(run, checkpoint)
        assert_equal(resumed.weights, found.weights)
        assert resumed.history == found.history


@pytest.mark.slow
@pytest.mark.parametrize("said", [edge for method in training_methods() for edge in edges(method)], ids=str)
def test_every_knob_works_at_its_edges(said: dict[str, Any]) -> None:
    model = model_for(said["method"], PRUNED)
    rewinding = parse_plan({"methods": [said]}).rewinding
    epochs = EPOCHS if rewinding is None else rewinding.rounds * (rewinding.early + 1)
    _, found = epochs_of(run_of(model, epochs=epochs, batch_size=341, methods=[said]))
    assert finite({n: e.values for n, part in found.weights.layers.items() for e in part})
    assert finite(found.weights.rest)


@pytest.mark.parametrize(
    "methods",
    [
        ["distill", "rigl"],
        ["l1", {"method": "gradual", "sparsity": 0.8}],
        ["qat", {"method": "gradual", "sparsity": 0.8}],
        ["qat", "l1"],
        ["rate_aware", "rigl"],
        [{"method": "set", "match": "fc1"}, {"method": "rigl", "match": "fc2"}],
    ],
    ids=str,
)
def test_methods_combine_and_come_to_the_same_end_from_each_epoch(methods: list[Any]) -> None:
    rounds = {"qat", "rate_aware"}.intersection(m for m in methods if isinstance(m, str))
    model = compressed(QUANTIZED) if rounds else compressed()
    run = run_of(model, epochs=EPOCHS, batch_size=64, methods=methods)
    kept, found = epochs_of(run)
    assert finite({n: e.values for n, part in found.weights.layers.items() for e in part})
    _, resumed = epochs_of(run, kept[1])
    assert_equal(resumed.weights, found.weights)
