"""A training that counts bits counts those of the packed file, and gets fewer of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from compress_core.apply.trained import TrainedWeights, trained_model
from compress_core.deliver.packing.shorter_way import bytes_alone
from compress_core.foundation.errors import Refused
from compress_core.levels.grid import Grid
from compress_core.selection.select import ExplicitMask
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.results import Quantized
from compress_core.training.code_prices import modeled_bits
from compress_core.training.hook_calls import parametrized
from compress_core.training.learned_levels import LearnedLevels
from compress_core.training.methods.rate_aware import charges, packed_bits, rate
from compress_core.training.trainee import trainee_of
from compress_core.training.weight_codes import WeightCodes
from tests.test_training import assert_equal, epochs_of
from tests.training_cases import compressed, run_of, trained

UNIFORM = {"technique": "uniform", "bits": 4}


def checkerboard() -> WeightCodes:
    """Half of 4 x 4 weights are not zero, as many in each row and column, and half of those are negative."""
    level = torch.zeros(4, 4)
    level[::2, ::2], level[1::2, 1::2] = 1, -1
    return WeightCodes(level, level, torch.ones(4, 4, dtype=torch.bool), -1, 1)


def test_bits_are_those_worked_out_by_hand() -> None:
    assert float(modeled_bits(checkerboard())) == pytest.approx(16 + 8)  # zero or not; of those, which sign


def slopes_at(codes: WeightCodes, places: Tensor) -> Tensor:
    places = places.clone().requires_grad_()
    (slope,) = torch.autograd.grad(modeled_bits(replace(codes, place=places)), places)
    return slope


def test_the_gradient_is_what_a_step_towards_zero_saves_by_hand() -> None:
    places = checkerboard().level.clone()
    places[0, 1], places[0, 3], places[0, 0], places[1, 1] = 0.3, -0.3, 0.8, -1.0
    slope = slopes_at(checkerboard(), places)
    even = -math.log2((math.sqrt(1.25) - 1) / 0.5)  # sizes of 0.5 in the mean; the prices are 1 bit apart
    assert slope[0, [0, 1, 3]].tolist() == pytest.approx([even, even, -even], rel=0.01)
    assert int((slope != 0).sum()) == 3


def test_where_zero_is_frequent_a_step_towards_it_saves_the_difference_of_the_prices() -> None:
    level = torch.zeros(40, 40)
    level[0, 0], level[1, 1] = 3, -1
    codes = WeightCodes(level, level, torch.ones(40, 40, dtype=torch.bool), -3, 3)
    places = level.clone()
    places[5, 5] = 0.4
    away = level.clone()
    away[5, 5] = 1
    saved = float(modeled_bits(replace(codes, level=away, place=away)) - modeled_bits(codes))
    even = -math.log2((4 + 0.5) / 1601 / 2)  # where sizes fell off evenly
    assert float(slopes_at(codes, places)[5, 5]) > max(saved, even + 3)


@pytest.mark.parametrize("spread", [0.2, 1.0, 4.0])
def test_no_weight_is_led_away_from_zero(spread: float) -> None:
    places = (torch.randn(30, 40, generator=torch.Generator().manual_seed(0)) * spread).clamp(-8, 7)
    codes = WeightCodes(places.round(), places, torch.ones(30, 40, dtype=torch.bool), -8, 7)
    slope = slopes_at(codes, places)
    inside = places != places.round()
    assert torch.equal(slope.sign()[inside], places.sign()[inside])


def learner(shape: tuple[int, int], bits: int, sparsity: float, *, mask: bool = False) -> LearnedLevels:
    """Rows and columns of very different size, rounded to zero in a share of the places at random."""
    generator = torch.Generator().manual_seed(bits)
    weight = torch.randn(shape, generator=generator)
    for axis in (0, 1):
        weight *= torch.rand(shape[axis], generator=generator).unsqueeze(1 - axis) + 0.2
    cut = weight.abs().flatten().kthvalue(max(1, round(sparsity * weight.numel()))).values
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    step = (weight.abs().max() / high).minimum(2 * cut)
    kept = ExplicitMask(torch.rand(shape, generator=generator) < 0.6) if mask else None
    learned = LearnedLevels.of(EncodedWeight(weight, kept, Quantized(Grid(step.view(1, 1), low, high))))
    return replace(learned, prunes_zeros=True)


CASES = [
    (bits, sparsity, mask) for bits in (2, 3, 5) for sparsity in (0.5, 0.9, 0.97) for mask in (False, True)
]


@pytest.mark.parametrize(("bits", "sparsity", "mask"), CASES)
def test_bits_are_within_5_percent_of_the_bytes_written_after_many_codes_changed(
    bits: int, sparsity: float, mask: bool
) -> None:
    learned_levels = learner((100, 150), bits, sparsity, mask=mask)
    learned = learned_levels.start()
    then = learned_levels.encoded(learned)
    codes = learned_levels.codes(learned)
    assert codes is not None
    noted = charges({"a": then}, {"a": codes}, {}, {})
    assert float(packed_bits({"a": codes}, {}, noted)) == pytest.approx(8 * bytes_alone(then)[0], rel=1e-5)
    learned["weight"] *= 0.9  # up to a third of the others become zero
    after, codes = learned_levels.encoded(learned), learned_levels.codes(learned)
    assert codes is not None
    written = 8 * bytes_alone(after)[0]
    assert written < 8 * bytes_alone(then)[0]
    assert float(packed_bits({"a": codes}, {}, noted)) == pytest.approx(written, rel=0.05)


def test_the_penalty_is_nats_for_a_bit_a_weight() -> None:
    codes = {"a": checkerboard()}
    noted = charges({"a": learner((4, 4), 2, 0.5).encoded(learner((4, 4), 2, 0.5).start())}, codes, {}, {})
    bits = float(packed_bits(codes, {}, noted))
    assert float(rate(codes, {}, noted, strength=3.0)) == pytest.approx(3 * bits / 16)


def bytes_of(weights: TrainedWeights) -> int:
    return sum(bytes_alone(encoded)[0] for part in weights.layers.values() for encoded in part)


@pytest.mark.slow
def test_a_price_on_bits_makes_the_file_smaller() -> None:
    model = compressed(UNIFORM)
    plan: dict[str, Any] = {"epochs": 4, "learning_rate": 0.01}
    free, dear = (
        trained(model, methods=[{"method": "rate_aware", "strength": strength}], **plan)
        for strength in (0, 1)
    )
    assert bytes_of(dear.weights) < 0.7 * bytes_of(free.weights)
    assert dear.epoch == 4
    for encoded in (encoded for part in dear.weights.layers.values() for encoded in part):
        assert encoded.mask is not None
        assert torch.equal(encoded.mask.tensor, encoded.values != 0)
    network = trained_model(model, run_of(model).operation, dear.weights, "key").network()
    assert all(bool(parameter.isfinite().all()) for parameter in network.parameters())


@pytest.mark.parametrize("method", ["qat", "rate_aware"])
def test_an_interruption_changes_no_bit(method: str) -> None:
    run = run_of(compressed(UNIFORM), epochs=2, batch_size=64, methods=[method], learning_rate=0.01)
    kept, whole = epochs_of(run)
    _, resumed = epochs_of(run, kept[0])
    assert_equal(resumed.weights, whole.weights)
    assert resumed.history == whole.history


def test_what_is_rounded_to_zero_is_stored_as_pruned_and_may_come_back() -> None:
    learned_levels = learner((10, 12), 3, 0.5)
    learned = learned_levels.start()
    assert learned_levels.mask is None
    assert learned_levels.encoded(learned).kept_count < 120
    learned["weight"] += 10
    assert learned_levels.encoded(learned).kept_count == 120


def test_levels_that_are_not_even_are_refused_with_the_layer() -> None:
    model = compressed({"technique": "kmeans", "bits": 3})
    with pytest.raises(Refused, match="evenly spaced levels, and those of fc1 are not"):
        parametrized(trainee_of(model), run_of(model, methods=["rate_aware"]).plan)
