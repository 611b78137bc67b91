"""Sparse from the first step to the last: weights change places, and their number never does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.selection.budgets import erdos_renyi
from compress_core.training import loop
from compress_core.training.constant_fan_in import regrown, silenced
from compress_core.training.dynamic_sparsity import (
    cosine_share,
    exchanged,
    places_change,
    without_smallest,
)
from compress_core.training.method import call_hook, training_method_named
from compress_core.training.moment import Moment
from compress_core.training.pruning_schedule import shape_of
from tests.test_gradual_pruning import SHAPES, layers_of
from tests.training_cases import compressed, trained

METHODS = ("set", "rigl", "srigl")


def counts(masks: Mapping[str, Tensor]) -> dict[str, int]:
    return {name: int(mask.count_nonzero()) for name, mask in masks.items()}


def rows_of(mask: Tensor) -> set[int]:
    return set(mask.count_nonzero(dim=1).tolist())


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(METHODS),
    SHAPES,
    st.sampled_from(["uniform", "erk"]),
    st.floats(0, 0.99),
    st.floats(0, 1),
    st.sampled_from([{}, {"ablation": 1.0}, {"ablation": 0.5}]),
    st.integers(0, 99),
)
def test_every_step_keeps_the_number_of_weights_of_every_layer(
    method: str,
    shapes: list[tuple[int, int]],
    distribution: str,
    sparsity: float,
    share: float,
    ablation: dict[str, float],
    seed: int,
) -> None:
    generator, layers = torch.Generator().manual_seed(seed), layers_of(shapes)
    declared = training_method_named(method)
    own = ablation if method == "srigl" else {}
    hooks = declared.function(
        sparsity=sparsity, distribution=distribution, share_replaced=share, every=1, until=1, **own
    )
    full = {name: torch.ones(layer.kernel_shape, dtype=torch.bool) for name, layer in layers.items()}
    masks = call_hook(hooks.begin, {"masks": full, "layers": layers, "generator": generator}) or full
    first = counts(masks)
    if method != "srigl":
        assert first == expected(layers, distribution, sparsity)
    for step in range(1, 4):
        drawn = {
            kind: {n: torch.randn(m.shape, generator=generator).round() for n, m in masks.items()}
            for kind in ("weights", "gradients")
        }
        given_values: dict[str, Any] = {
            **drawn, "masks": masks, "layers": layers, "moment": Moment(step, 4, 2), "generator": generator,
        }  # fmt: skip
        masks = call_hook(hooks.masks, given_values)
        assert counts(masks) == first
        if method == "srigl":
            assert all(len(rows_of(mask) - ({0} if own else set())) == 1 for mask in masks.values())


def expected(layers: Mapping[str, Any], distribution: str, sparsity: float) -> dict[str, int]:
    sizes = [layer.weights for layer in layers.values()]
    if distribution == "uniform":
        return {n: layer.weights - round(sparsity * layer.weights) for n, layer in layers.items()}
    shapes = [shape_of(name, layer) for name, layer in layers.items()]
    kept = erdos_renyi(shapes, sizes, sum(sizes) - round(sparsity * sum(sizes)))
    return dict(zip(layers, kept, strict=True))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("steps", [(), ({"technique": "magnitude", "sparsity": 0.75, "scope": "row"},)])
def test_in_a_training_the_masks_number_stays_at_each_step_and_what_grows_begins_at_zero(
    method: str, steps: tuple[dict[str, Any], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Tensor]] = []
    grown: list[float] = []

    def watched(plan: Any, trainee: Any, optimizer: Any, *rest: Any) -> None:
        before = trainee.masks()
        original(plan, trainee, optimizer, *rest)
        seen.append({name: mask.clone() for name, mask in trainee.masks().items()})
        for name, mask in trainee.masks().items():
            back = mask & ~before[name]
            learned = trainee.learned[name]["weight"]
            grown.extend(learned[back].tolist())
            averages = optimizer.adam.state[learned]
            assert not averages or bool((averages["exp_avg_sq"][back] == 0).all())

    original = loop.before_step
    monkeypatch.setattr(loop, "before_step", watched)
    model = compressed(*steps)
    said = {"method": method, "every": 4, "share_replaced": 0.5, "sparsity": 0.75, "distribution": "uniform"}
    found = trained(model, epochs=2, methods=[said])
    assert len(seen) == 20
    assert len({tuple(sorted(counts(masks).items())) for masks in seen}) == 1
    changes = [bool((a["fc1"] != b["fc1"]).any()) for a, b in pairwise(seen)]
    assert {4, 8} <= {step for step, changed in enumerate(changes, 1) if changed} <= {4, 8, 12}
    assert grown
    assert not any(grown)
    assert sum(found.history[0].grown.values()) > 0
    for name, (weight,) in found.weights.layers.items():
        assert weight.mask is not None
        assert weight.mask.count == int(seen[0][name].count_nonzero())
        if steps:
            assert int((~model.compressed[name].encoded[0].mask.tensor).sum()) == weight.zeros.pruned
        if method == "srigl":
            assert len(rows_of(weight.mask.tensor)) == 1


def test_a_fixed_random_network_is_a_share_of_nothing() -> None:
    said = {"method": "set", "share_replaced": 0, "every": 1, "sparsity": 0.8}
    found = trained(compressed(), epochs=2, methods=[said])
    assert all(count == 0 for figures in found.history for count in figures.grown.values())
    kept = sum(weight.mask.count for (weight,) in found.weights.layers.values())
    total = sum(weight.weight.numel() for (weight,) in found.weights.layers.values())
    assert kept == total - round(0.8 * total)
    other = trained(compressed(), epochs=2, seed=1, methods=[said])
    assert any(
        not torch.equal(w.mask.tensor, other.weights.layers[name][0].mask.tensor)
        for name, (w,) in found.weights.layers.items()
    )


def test_the_smallest_go_and_those_grow_whose_gradient_is_largest() -> None:
    shape = shape_of("fc0", layers_of([(2, 4)])["fc0"])
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0]], dtype=torch.bool)
    weight = torch.tensor([[0.1, -2.0, 9.0, 0.0], [0.2, 3.0, 0.0, 0.0]])
    gradient = torch.tensor([[0.0, 0.0, 5.0, 4.0], [1.0, 9.0, 2.0, 3.0]])
    found = exchanged(mask, weight, gradient, 0.5, shape)
    assert found.tolist() == [[False, True, True, True], [False, True, False, False]]
    assert exchanged(mask, weight, torch.zeros(2, 4), 0.5, shape)[0, 0], "what was dropped may grow again"


def test_a_weight_that_is_zero_is_dropped_before_others_and_no_empty_place_is_taken_for_it() -> None:
    shape = shape_of("fc0", layers_of([(1, 4)])["fc0"])
    mask, weight = torch.tensor([[False, True, True, True]]), torch.tensor([[0.0, 0.0, 0.0, 1.0]])
    assert without_smallest(mask, weight, 1 / 3, shape).tolist() == [[False, True, False, True]]


def test_rows_grow_as_many_as_they_lost() -> None:
    layer = layers_of([(2, 4)])["fc0"]
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0]], dtype=torch.bool)
    weight = torch.tensor([[0.1, -0.2, 9.0, 0.0], [2.0, 3.0, 0.0, 0.0]])
    gradient = torch.tensor([[0.0, 0.0, 5.0, 4.0], [1.0, 9.0, 2.0, 3.0]])
    found = regrown(mask, weight, gradient, 0.5, 0.0, layer)
    assert found.tolist() == [[False, False, True, True], [True, True, False, False]]


def test_the_least_salient_rows_go_as_many_as_leave_whole_shares_to_the_others() -> None:
    mask = torch.ones(4, 6, dtype=torch.bool)
    mask[:, 3:] = False
    assert silenced(mask, torch.tensor([3, 0, 2, 2]), 0.5).tolist() == [False, True, False, False]
    assert silenced(mask, torch.tensor([3, 0, 2, 1]), 1.0).tolist() == [False, True, False, True]
    assert silenced(mask, torch.tensor([0, 0, 0, 0]), 1.0).tolist() == [True, True, False, False]
    assert not silenced(mask, torch.tensor([0, 0, 0, 0]), 0.0).any()
    full = torch.ones(4, 3, dtype=torch.bool)
    assert not silenced(full, torch.tensor([0, 3, 3, 3]), 1.0).any(), "the others have no room"


def test_a_weak_neuron_goes_and_the_others_get_its_weights() -> None:
    layer = layers_of([(3, 4)])["fc0"]
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]], dtype=torch.bool)
    weight = torch.tensor([[0.1, 0.1, 0.0, 0.0], [2.0, 3.0, 0.0, 0.0], [2.0, 3.0, 0.0, 0.0]])
    gradient = torch.tensor([[0.0, 0.0, 0.1, 0.1], [0.0, 0.0, 2.0, 3.0], [0.0, 0.0, 4.0, 1.0]])
    found = regrown(mask, weight, gradient, 1 / 3, 0.5, layer)
    assert found.tolist() == [[False] * 4, [True, True, False, True], [True, True, True, False]]
    gradient[0] = torch.tensor([0.0, 0.0, 9.0, 9.0])
    assert regrown(mask, weight, gradient, 1 / 3, 0.5, layer)[0].tolist() == [False, False, True, True]
    again = regrown(found, weight, gradient, 0.0, 0.5, layer)
    assert torch.equal(again, found), "it does not come back"


@pytest.mark.parametrize(("step", "share"), [(0, 0.4), (30, 0.2), (60, 0.0), (20, 0.3)])
def test_the_share_that_changes_places_falls_along_a_cosine(step: int, share: float) -> None:
    assert math.isclose(cosine_share(Moment(step, 80, 10), 0.4, 0.75), share, abs_tol=1e-12)


def test_places_change_every_so_many_steps_once_an_epoch_at_least_and_not_at_the_end() -> None:
    due = partial(places_change, every=4, until=0.75)
    assert [s for s in range(20) if due(Moment(s, 20, 10))] == [4, 8, 12]
    assert [s for s in range(20) if places_change(Moment(s, 20, 5), 100, 0.75)] == [5, 10]


def test_rows_of_different_counts_are_refused_by_the_name_of_their_layer() -> None:
    with pytest.raises(Refused, match="rows of fc1 have from"):
        trained(compressed({"technique": "magnitude", "sparsity": 0.7}), methods=["srigl"])
