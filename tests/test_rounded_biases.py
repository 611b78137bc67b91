"""Biases that are rounded while they learn lie on the grid that the packed file stores as whole numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from compress_core.apply.trained import trained_model
from compress_core.deliver.packing.shorter_way import bytes_alone, bytes_of_numbers
from compress_core.foundation.errors import Refused
from compress_core.training.method import training_method_named
from compress_core.training.methods.rate_aware import charges, packed_bits
from compress_core.training.plan import parse_plan
from compress_core.training.rounded_biases import PowerOfTwoGrid
from tests.test_rate_aware import learner
from tests.test_training import assert_equal, epochs_of
from tests.training_cases import compressed, run_of, trained

UNIFORM = {"technique": "uniform", "bits": 4}
PRICED = {"method": "rate_aware", "strength": 0.5, "bias_bits": 4}


def test_values_are_rounded_by_hand_to_the_finest_step_that_reaches_all() -> None:
    values = torch.tensor([1.7, -0.3, 0.05, 0.0])
    assert PowerOfTwoGrid(4).step(values) == 0.25  # 7 steps of an eighth do not reach 1.7
    assert PowerOfTwoGrid(4).rounded(values).tolist() == [1.75, -0.25, 0.0, 0.0]


@pytest.mark.parametrize("bits", [2, 3, 8])
@pytest.mark.parametrize("largest", [1.0, 2.0**-30, 3.999, 1e20])
def test_no_value_is_beyond_the_grid_and_all_err_by_half_a_step_at_most(bits: int, largest: float) -> None:
    values = torch.randn(50, generator=torch.Generator().manual_seed(bits))
    values *= largest / values.abs().max()
    grid = PowerOfTwoGrid(bits)
    step, rounded = grid.step(values), grid.rounded(values)
    assert math.log2(step) == round(math.log2(step))
    assert float((rounded - values).abs().max()) <= step / 2
    assert float((rounded / step).abs().max()) <= grid.highest
    assert torch.equal(grid.codes(values).level[0] * step, rounded)


def test_what_lies_on_the_grid_stays_and_zeros_stay_zeros() -> None:
    on_it = torch.tensor([3.0, -1.0, 0.5, 0.0])
    assert torch.equal(PowerOfTwoGrid(4).rounded(on_it), on_it)
    assert torch.equal(PowerOfTwoGrid(4).rounded(torch.zeros(3)), torch.zeros(3))


def test_the_gradient_passes_as_if_nothing_were_rounded() -> None:
    values = torch.tensor([1.7, -0.3, 0.05], requires_grad=True)
    upstream = torch.tensor([1.0, 2.0, 3.0])
    (slope,) = torch.autograd.grad((PowerOfTwoGrid(3).rounded(values) * upstream).sum(), values)
    assert torch.equal(slope, upstream)


def biases_of(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: values for name, values in weights.items() if name.endswith("bias")}


def test_what_is_stored_and_evaluated_lies_on_the_grid() -> None:
    model = compressed(UNIFORM)
    found = trained(model, methods=[PRICED], learning_rate=0.01)
    biases = biases_of(found.weights.rest)
    assert len(biases) == 3
    for values in biases.values():
        assert len(values.unique()) > 1
        assert torch.equal(PowerOfTwoGrid(4).rounded(values), values)
    network = trained_model(model, run_of(model).operation, found.weights, "key").network()
    assert all(torch.equal(network.state_dict()[name], values) for name, values in biases.items())


def test_biases_of_other_layers_stay_as_they_learn() -> None:
    found = trained(compressed(UNIFORM), methods=[{**PRICED, "match": "fc2"}], learning_rate=0.01)
    biases = biases_of(found.weights.rest)
    on_it = {n: torch.equal(PowerOfTwoGrid(4).rounded(values), values) for n, values in biases.items()}
    assert on_it == {"fc1.bias": False, "fc2.bias": True, "fc3.bias": False}


def test_one_bit_is_refused_with_what_there_is() -> None:
    with pytest.raises(Refused, match="it must be 0, or from 2 to 8"):
        parse_plan({"methods": [{"method": "rate_aware", "bias_bits": 1}]})


def test_without_the_knob_nothing_is_rounded() -> None:
    assert training_method_named("rate_aware").function().biases is None


def test_a_factored_layer_rounds_the_bias_of_its_last_factor() -> None:
    model = compressed({"technique": "low_rank", "rank": 2}, UNIFORM)
    found = trained(model, methods=[PRICED], learning_rate=0.01)
    for values in biases_of(found.weights.rest).values():
        assert torch.equal(PowerOfTwoGrid(4).rounded(values), values)


def test_a_bias_that_no_loss_holds_is_paid_down_to_zero() -> None:
    values = torch.tensor([0.9, -0.6, 0.4], requires_grad=True)
    grid = PowerOfTwoGrid(4)
    codes = {"a": grid.codes(values)}
    learned = learner((4, 4), 2, 0.5)
    weight_codes = learned.codes(learned.start())
    assert weight_codes is not None
    noted = charges(
        {"a": learned.encoded(learned.start())},
        {"a": weight_codes},
        {"a": values.detach()},
        {"a": grid.codes(values.detach())},
    )
    (slope,) = torch.autograd.grad(packed_bits({}, codes, noted), values)
    moves = values.detach() / grid.step(values.detach())
    between = moves != moves.round()
    assert bool(between.any())
    assert torch.equal(slope.sign()[between], values.detach().sign()[between])


@pytest.mark.parametrize("bits", [3, 5])
@pytest.mark.parametrize("share", [0.2, 0.8])
def test_bits_of_weights_and_biases_are_within_5_percent_of_those_written_after_many_changed(
    bits: int, share: float
) -> None:
    learned_levels, grid = learner((100, 150), 3, 0.95), PowerOfTwoGrid(bits)
    learned = learned_levels.start()
    generator = torch.Generator().manual_seed(bits)
    values = torch.randn(400, generator=generator) * (torch.rand(400, generator=generator) < share)

    def written() -> int:
        return 8 * (bytes_alone(learned_levels.encoded(learned))[0] + bytes_of_numbers(grid.rounded(values)))

    def modeled(noted: Any = None) -> float:
        codes = learned_levels.codes(learned)
        assert codes is not None
        of_both = {"a": codes}, {"a": grid.codes(values)}
        now = charges(
            {"a": learned_levels.encoded(learned)}, of_both[0], {"a": grid.rounded(values)}, of_both[1]
        )
        notes.append(now)
        return float(packed_bits(*of_both, noted or now))

    notes: list[Any] = []
    then = written()
    assert modeled() == pytest.approx(then, rel=1e-5)
    learned["weight"] *= 0.95
    values[torch.rand(400, generator=generator) < 0.1] = 0
    assert written() < then
    assert modeled(notes[0]) == pytest.approx(written(), rel=0.05)


def test_an_interruption_changes_no_bit() -> None:
    run = run_of(compressed(UNIFORM), epochs=2, batch_size=64, methods=[PRICED], learning_rate=0.01)
    kept, whole = epochs_of(run)
    _, resumed = epochs_of(run, kept[0])
    assert_equal(resumed.weights, whole.weights)
