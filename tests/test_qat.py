"""Rounded weights learn with their levels, and what is stored is what was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from compress_core.apply.trained import trained_model
from compress_core.deliver.packed_file import read_packed, write_packed
from compress_core.deliver.plain_container import read_container, write_container
from compress_core.foundation.errors import Refused
from compress_core.levels.grid import Grid
from compress_core.levels.table import Table
from compress_core.selection.select import ExplicitMask
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.results import Quantized
from compress_core.training.hook_calls import parametrized
from compress_core.training.learned_levels import LearnedLevels, gradient_share, learned_step
from compress_core.training.plan import parse_plan
from compress_core.training.trainee import encoded_parts, trainee_of
from tests.training_cases import compressed, run_of, trained

PRUNED = {"technique": "magnitude", "sparsity": 0.5}
ROUNDED: Mapping[str, tuple[dict[str, Any], ...]] = {
    "a step a tensor": ({"technique": "uniform", "bits": 3, "granularity": "per_tensor"},),
    "a step a row": (PRUNED, {"technique": "uniform", "bits": 2}),
    "a step a group": ({"technique": "uniform", "bits": 4, "granularity": "per_group:7"},),
    "in the narrow range": ({"technique": "uniform", "bits": 3, "narrow_range": True},),
    "with a zero point": ({"technique": "affine", "bits": 3},),
    "clipped": (PRUNED, {"technique": "clipped", "bits": 3}),
    "one after the other": ({"technique": "gptq", "bits": 3},),
    "a codebook": (PRUNED, {"technique": "kmeans", "bits": 3}),
    "a scaled table": ({"technique": "normal_float", "bits": 4},),
    "powers of two": ({"technique": "power_of_two", "bits": 3},),
    "factors": ({"technique": "low_rank", "rank": 2}, {"technique": "uniform", "bits": 4}),
}
WEIGHT = torch.tensor([[-3.7, -0.6, 0.2, 0.9, 1.6, 5.0]])
ENDS = (torch.tensor([[-2.0]]), torch.tensor([[1.0]]))
ONE = torch.ones(1, 1)


def rounded(weight: Tensor, step: Tensor, share: Tensor = ONE) -> Tensor:
    units = torch.round((weight / step).detach()).clamp(-2, 1)
    return learned_step(weight, step, units, ENDS, share)


def test_the_gradient_of_a_step_is_that_of_the_paper_by_hand() -> None:
    step = torch.tensor([[1.0]], requires_grad=True)
    upstream = torch.tensor([[1.0, 10.0, 100.0, 1000.0, 1e4, 1e5]])
    (rounded(WEIGHT, step) * upstream).sum().backward()
    by_hand = torch.tensor([-2.0, -1 + 0.6, 0 - 0.2, 1 - 0.9, 1.0, 1.0]) @ upstream[0]
    assert step.grad is not None
    torch.testing.assert_close(step.grad, by_hand.view(1, 1))


def test_the_gradient_of_a_weight_passes_between_the_ends_only() -> None:
    weight = WEIGHT.clone().requires_grad_()
    rounded(weight, ONE).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[0, 1, 1, 1, 0, 0]]


def test_gradients_are_those_of_the_pseudocode_of_the_paper() -> None:
    def straight_through(values: Tensor) -> Tensor:
        return values + (values.round() - values).detach()

    def of_the_paper(weight: Tensor, step: Tensor, share: Tensor) -> Tensor:
        scaled = step * share + (step - step * share).detach()
        return straight_through((weight / scaled).clamp(-2, 1)) * scaled

    generator = torch.Generator().manual_seed(0)
    weight, upstream = (torch.randn(5, 40, generator=generator) for _ in range(2))
    step, share = torch.rand(5, 1, generator=generator) + 0.1, torch.full((5, 1), 0.3)
    found = []
    for function in (rounded, of_the_paper):
        leaves = [weight.clone().requires_grad_(), step.clone().requires_grad_()]
        values = function(leaves[0], leaves[1], share)
        found.append([values, *torch.autograd.grad((values * upstream).sum(), leaves)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_step_counts_the_kept_weights_that_share_it() -> None:
    mask = torch.tensor([[True, True, False, True, False], [True, False, False, False, False]])
    grid = Grid(torch.ones(2, 2), -4, 3, group=3)
    encoded = EncodedWeight(torch.full((2, 5), 0.4), ExplicitMask(mask), Quantized(grid))
    learner = LearnedLevels.of(encoded)
    learned = {name: tensor.requires_grad_() for name, tensor in learner.start().items()}
    learner.weight(learned).sum().backward()
    shares = [[2 / (2 * 3) ** 0.5, 1 / 3**0.5], [1 / 3**0.5, 0]]
    torch.testing.assert_close(learned["gain"].grad, -0.4 * torch.tensor(shares))
    assert float(gradient_share(torch.tensor(16.0), torch.tensor(4.0))) == 0.125


@pytest.mark.parametrize("steps", ROUNDED.values(), ids=ROUNDED)
def test_training_starts_at_what_the_recipe_made(steps: tuple[dict[str, Any], ...]) -> None:
    model = compressed(*steps)
    trainee = parametrized(trainee_of(model), run_of(model, methods=["qat"]).plan)
    before = {
        part.name: encoded.values
        for layer in model.base.layers
        for part, encoded in encoded_parts(model, layer)
    }
    assert all(torch.equal(weight, before[name]) for name, weight in trainee.weights().items())


@pytest.mark.parametrize("steps", ROUNDED.values(), ids=ROUNDED)
def test_levels_learn_and_are_of_the_kind_and_number_of_the_recipe(steps: tuple[dict[str, Any], ...]) -> None:
    model = compressed(*steps)
    found = trained(model, methods=["qat"], learning_rate=0.01).weights
    moved = False
    for name, before in model.compressed.items():
        for old, new in zip(before.encoded, found.layers[name], strict=True):
            assert old.quantized is not None
            assert new.quantized is not None
            levels, learned = old.quantized.levels, new.quantized.levels
            assert type(learned) is type(levels)
            assert (learned.low, learned.high) == (levels.low, levels.high)
            rows = range(len(new.values))
            known = [torch.cat([learned.levels(r), torch.zeros(1)]) for r in rows]
            if getattr(levels, "group", None) is None:
                assert all(bool(torch.isin(new.values[r], known[r]).all()) for r in rows)
            if isinstance(levels, Table):
                assert torch.equal(learned.stored()["table"].sort().values, learned.stored()["table"])
                assert learned.has_zero == levels.has_zero
            assert (old.mask is None) == (new.mask is None)
            assert old.mask is None or torch.equal(old.mask.tensor, new.mask.tensor)
            moved |= not torch.equal(old.codes, new.codes)
    assert moved, "a code that changes shows that weights learn, not levels alone"


@pytest.mark.parametrize("steps", ROUNDED.values(), ids=ROUNDED)
def test_files_answer_as_the_rounded_network_was_trained(
    steps: tuple[dict[str, Any], ...], tmp_path: Path
) -> None:
    model = compressed(*steps)
    run = run_of(model, epochs=1, methods=["qat"])
    found = trained_model(model, run.operation, trained(model, methods=["qat"]).weights, "key")
    write_container(found, tmp_path / "plain.safetensors")
    write_packed(found, tmp_path / "small.slim")
    inputs = model.subject.split("test").inputs
    with torch.inference_mode():
        answers = found.network()(inputs)
        for read in (
            read_container(tmp_path / "plain.safetensors", model.subject),
            read_packed(tmp_path / "small.slim", model.subject),
        ):
            assert torch.equal(read.eval()(inputs), answers)
    assert found.file_bytes == model.file_bytes


@pytest.mark.parametrize("steps", ROUNDED.values(), ids=ROUNDED)
def test_what_is_stored_is_what_the_loss_saw(steps: tuple[dict[str, Any], ...]) -> None:
    model = compressed(*steps)
    trainee = parametrized(trainee_of(model), run_of(model, methods=["qat"]).plan)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for learned in trainee.learned.values():
            for tensor in learned.values():
                tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator) * tensor.abs().mean())
    for name, weight in trainee.weights().items():
        stored = trainee.parametrizations[name].encoded(trainee.learned[name])
        assert torch.equal(stored.values, weight), name


def test_a_layer_that_the_recipe_does_not_quantize_is_left_as_it_is_or_gets_the_bits_asked_for() -> None:
    model = compressed(PRUNED)
    with pytest.raises(Refused, match=r"none of .* is quantized: quantize one in the recipe, or give bits"):
        parametrized(trainee_of(model), run_of(model, methods=["qat"]).plan)
    plan = run_of(model, methods=[{"method": "qat", "bits": 3, "match": "fc1"}]).plan
    found = {n: e[0] for n, e in trained(model, **plan.as_json()).weights.layers.items()}
    assert found["fc1"].quantized is not None
    assert found["fc1"].bits_for_each_value == 3
    assert all(encoded.quantized is None for name, encoded in found.items() if name != "fc1")


@pytest.mark.parametrize("method", ["qat", "rate_aware"])
def test_one_bit_is_refused_with_what_there_is(method: str) -> None:
    with pytest.raises(Refused, match="it must be 0, or from 2 to 8"):
        parse_plan({"methods": [{"method": method, "bits": 1}]})


def test_levels_of_a_codebook_stay_in_order_and_zero_stays_zero() -> None:
    weight = torch.tensor([[-1.1, 0.1, 0.9, 2.2]])
    learner = LearnedLevels.of(
        EncodedWeight(weight, None, Quantized(Table(torch.tensor([[-1.0, 0.0, 1.0, 2.0]]))))
    )
    learned = {"weight": weight, "levels": torch.tensor([[-1.0, 0.3, 3.0, 2.0]])}
    stored = learner.encoded(learned)
    assert stored.quantized is not None
    assert stored.quantized.levels.stored()["table"].tolist() == [[-1, 0, 2, 3]]
    assert stored.values.tolist() == learner.weight(learned).tolist() == [[-1, 0, 0, 2]]


def test_two_bits_learn_what_rounding_had_lost() -> None:
    model = compressed({"technique": "uniform", "bits": 2})
    losses = [
        figures.loss for figures in trained(model, methods=["qat"], epochs=6, learning_rate=0.01).history
    ]
    assert losses[-1] < losses[0] / 2
