"""Rows without any weight have a step next to nothing, of which no training makes infinity or worse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from compress_core.apply.model import Model
from compress_core.apply.trained import trained_model
from compress_core.levels.grid import full_grid
from compress_core.selection.select import ExplicitMask
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.input_rules import StaticGrid
from compress_core.techniques.contract.results import Quantized
from compress_core.training.code_prices import modeled_bits
from compress_core.training.learned_inputs import InputInTraining
from compress_core.training.learned_levels import LearnedLevels
from compress_core.training.loop import Trained
from compress_core.training.parametrization import GAIN, WEIGHT
from compress_core.training.rounded_biases import PowerOfTwoGrid
from tests.training_cases import compressed, run_of, trained

PRUNED = {"technique": "magnitude", "sparsity": 0.9}
EVEN: Mapping[str, dict[str, Any]] = {
    "2 bits": {"technique": "uniform", "bits": 2},
    "8 bits": {"technique": "uniform", "bits": 8},
    "groups": {"technique": "uniform", "bits": 4, "granularity": "per_group:10"},
    "a zero point": {"technique": "affine", "bits": 4},
    "clipped": {"technique": "clipped", "bits": 3},
}
OTHERS: Mapping[str, dict[str, Any]] = {
    "a codebook": {"technique": "kmeans", "bits": 2, "granularity": "per_channel"},
    "a scaled table": {"technique": "normal_float", "bits": 3},
    "powers of two": {"technique": "power_of_two", "bits": 3},
}
BY = [
    *((method, EVEN[name]) for method in ("rate_aware", "qat", "fine_tune") for name in EVEN),
    *((method, OTHERS[name]) for method in ("qat", "fine_tune") for name in OTHERS),
]


def with_empty_rows(*steps: Mapping[str, Any]) -> Model:
    model = compressed(PRUNED, *steps)
    weight = dict(model.network().named_parameters())["fc1.weight"]
    assert bool((weight == 0).all(1).any()), "this is what the tests are about"
    return model


def all_finite(model: Model, found: Trained) -> bool:
    network = trained_model(model, run_of(model).operation, found.weights, "key").network()
    return all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())


@pytest.mark.parametrize(("method", "levels"), BY, ids=str)
def test_a_training_of_a_network_with_empty_rows_stays_finite(method: str, levels: dict[str, Any]) -> None:
    model = with_empty_rows(levels)
    found = trained(model, methods=[method], learning_rate=0.01, weight_decay=1.0, batch_size=64)
    assert found.ended is None
    assert all_finite(model, found)


@pytest.mark.parametrize("method", ["rate_aware", "qat"])
def test_rounding_that_a_training_brings_itself_stays_finite_in_empty_rows(method: str) -> None:
    model = with_empty_rows()
    found = trained(model, methods=[{"method": method, "bits": 4}], batch_size=64)
    assert found.ended is None
    assert all_finite(model, found)


def rows(*, pruned: bool) -> LearnedLevels:
    """A row of weights and one that is all zeros, or pruned whatever it was, with a step a row."""
    weight = torch.tensor([[0.3, -0.7, 0.9], [5.0, -2.0, 0.1]])
    mask = torch.tensor([[True] * 3, [False] * 3])
    kept = weight * mask
    grid = full_grid(kept.amin(1, keepdim=True).clamp(max=0), kept.amax(1, keepdim=True), 3)
    stored = EncodedWeight(weight, ExplicitMask(mask), None) if pruned else EncodedWeight(kept, None, None)
    return LearnedLevels.of(EncodedWeight(stored.weight, stored.mask, Quantized(grid)))


def slopes(levels: LearnedLevels, learned: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The gradients of the modeled bits."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in learned.items()}
    codes = levels.codes(leaves)
    assert codes is not None
    found = torch.autograd.grad(modeled_bits(codes), list(leaves.values()))
    return dict(zip(leaves, found, strict=True))


@pytest.mark.parametrize("moved", [0.0, 1e-41, 1e-36, 1e-3, 9.0])
@pytest.mark.parametrize("pruned", [True, False])
def test_bits_lead_nothing_in_a_row_that_holds_none(pruned: bool, moved: float) -> None:
    levels = rows(pruned=pruned)
    learned = levels.start()
    learned[WEIGHT][1] += moved
    for slope in slopes(levels, learned).values():
        assert bool(slope.isfinite().all())
        assert not bool(slope[1].any()), "an empty row stays where it is"


@pytest.mark.parametrize("pruned", [True, False])
def test_bits_lead_the_rows_beside_an_empty_one_as_if_they_were_alone(pruned: bool) -> None:
    levels = rows(pruned=pruned)
    found = slopes(levels, levels.start())
    assert bool(found[WEIGHT][0].any())
    assert bool(found[GAIN][0].any())


def test_the_gradient_of_places_is_that_of_a_quotient_within_the_ends() -> None:
    levels = rows(pruned=False)
    learned = {name: tensor.requires_grad_() for name, tensor in levels.start().items()}
    codes = levels.codes(learned)
    assert codes is not None
    found = torch.autograd.grad(codes.place[0].sum(), [learned[WEIGHT], learned[GAIN]])
    (scale,) = levels.levels.scale[0].tolist()  # type: ignore[union-attr]
    share = (3 * codes.highest) ** -0.5
    torch.testing.assert_close(found[0][0], torch.full((3,), 1 / scale))
    torch.testing.assert_close(found[1][0, 0], torch.tensor(-share * 0.5 / scale))


@pytest.mark.parametrize("bits", [2, 8])
@pytest.mark.parametrize("values", [[0.0, 0.0], [1e-44, 0.0], [1e-13, -1e-30]])
def test_biases_of_next_to_nothing_have_finite_levels_and_gradients(bits: int, values: list[float]) -> None:
    grid, given = PowerOfTwoGrid(bits), torch.tensor(values, requires_grad=True)
    (slope,) = torch.autograd.grad(modeled_bits(grid.codes(given)) + grid.rounded(given).sum(), given)
    assert bool(slope.isfinite().all())
    assert bool(grid.codes(given).level.isfinite().all())


@pytest.mark.parametrize("given", [0.0, 1e-3, 50.0])
def test_an_input_that_was_always_zero_has_a_step_that_stays_finite(given: float) -> None:
    tiny = torch.finfo(torch.float32).tiny
    gain = torch.ones((), requires_grad=True)
    at_input = InputInTraining(StaticGrid(bits=8, scale=tiny, zero_point=0), gain)
    values = torch.full((2, 3), given, requires_grad=True)
    found = torch.autograd.grad(at_input(values).sum(), [values, gain])
    assert all(bool(slope.isfinite().all()) for slope in found)
    assert at_input.now.scale > 0  # type: ignore[union-attr]
