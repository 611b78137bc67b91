"""Techniques that measure on calibration items: a reference in ten lines, or a theorem, for each."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import predict
from compress_core.numerics.scale import RowRanges
from compress_core.numerics.second_order import damped, inverse_factor
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.selection.patterns import LayerShape, NOfM, largest_n_of_m
from compress_core.statistics.hessian import hessian
from compress_core.techniques.contract.technique import techniques
from compress_core.techniques.gptq import gptq
from compress_core.techniques.sparsegpt import sparsegpt
from compress_core.techniques.taylor import taylor
from compress_core.techniques.wanda import wanda
from tests.subjects import loaded_sample
from tests.technique_cases import encoded, nasty_inputs, nasty_weights, result

ALL = techniques()
MEASURING = ["wanda", "taylor", "sparsegpt", "gptq", "whitened_low_rank"]
NASTY = nasty_weights()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def correlated(inputs: int, seed: int = 0, items: int = 200) -> Tensor:
    """What a layer reads [1, items, in]: inputs that go together, of different sizes."""
    mixing = drawn(inputs, inputs, seed=seed + 100) + 2 * torch.eye(inputs)
    sizes = torch.logspace(0, -1, inputs)
    return (drawn(1, items, inputs, seed=seed) @ mixing).relu() * sizes


def output_error(weight: Tensor, changed: Tensor, reads: Tensor) -> float:
    """The mean squared change of the layer's output, summed over rows; groups share the rows evenly."""
    change = (changed - weight).double().unflatten(0, (len(reads), -1))
    return float((reads.double() @ change.mT).square().sum(dim=(0, 2)).mean())


def values_of(
    name: str, weight: Tensor, reads: Tensor, mask: Tensor | None = None, **knobs: object
) -> Tensor:
    (part,) = encoded(ALL[name], weight, mask, reads=reads, **knobs)
    return part.values


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURING)
@pytest.mark.parametrize("reads", nasty_inputs(1))
@pytest.mark.parametrize(
    "case", ["random", "zero rows", "huge", "outlier", "denormal", "ties", "one element"]
)
def test_nasty_inputs_leave_finite_weights(name: str, reads: str, case: str) -> None:
    weight = NASTY[case]
    for part in encoded(ALL[name], weight, reads=nasty_inputs(weight.shape[1])[reads]):
        assert torch.isfinite(part.values).all()


# Scores -----------------------------------------------------------------------------------------------------


def test_wanda_is_the_size_of_a_weight_times_the_norm_of_its_input() -> None:
    weight, inputs = drawn(6, 8), drawn(3, 50, 4, seed=2) * torch.logspace(-2, 2, 4)
    scores = wanda(drawn(6, 4), inputs.norm(dim=1)).ranked()
    for row, column in itertools.product(range(6), range(4)):
        expected = abs(drawn(6, 4)[row, column]) * inputs[row // 2, :, column].norm()
        assert scores[row, column] == pytest.approx(float(expected))
    # the ten lines of the paper: sort |W| * ||X|| within each row, drop the lower half
    reads = correlated(8)
    metric = weight.abs() * reads[0].norm(p=2, dim=0)
    order = torch.sort(metric, dim=1, stable=True).indices
    pruned = weight.scatter(1, order[:, :4], 0.0)
    assert torch.equal(values_of("wanda", weight, reads, sparsity=0.5, scope="row"), pruned)


def test_inputs_of_one_size_make_wanda_magnitude() -> None:
    weight, reads = drawn(7, 9), torch.ones(1, 5, 9)
    wanda_kept = values_of("wanda", weight, reads, sparsity=0.6)
    assert torch.equal(wanda_kept, values_of("magnitude", weight, reads, sparsity=0.6))


def test_taylor_is_the_mean_square_of_gradient_times_weight() -> None:
    gradients, weight = drawn(30, 4, 5), drawn(4, 5, seed=1)
    expected = (gradients * weight).square().mean(dim=0)
    torch.testing.assert_close(taylor(weight, gradients.square().mean(dim=0)).ranked(), expected)


# Second order -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reads", nasty_inputs(4))
def test_the_factor_is_that_of_the_inverse(reads: str) -> None:
    moment = hessian([nasty_inputs(9)[reads]])
    upper = inverse_factor(moment, 0.01)
    assert torch.equal(upper, upper.triu())
    identity = upper.mT @ upper @ damped(moment, 0.01)
    torch.testing.assert_close(identity[0], torch.eye(9, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.integers(0, 999), st.floats(0, 1), st.integers(1, 12), st.sampled_from([1, 2]))
def test_sparsegpt_removes_exactly_the_share(seed: int, sparsity: float, block: int, groups: int) -> None:
    weight, reads = drawn(6, 10, seed=seed), correlated(10, seed).expand(groups, -1, -1)
    pruned = sparsegpt(weight, weight, hessian([reads]), sparsity=sparsity, block=block)
    assert int((~pruned.mask).sum()) == round(sparsity * 60)
    assert not pruned.values[~pruned.mask].any()


@settings(max_examples=30)
@given(st.integers(0, 999), st.sampled_from([0.3, 0.5, 0.8]), st.sampled_from([1, 4, 128]))
def test_sparsegpt_errs_no_more_than_its_zeros_alone(seed: int, sparsity: float, block: int) -> None:
    weight, reads = drawn(8, 16, seed=seed), correlated(16, seed)
    (part,) = encoded(ALL["sparsegpt"], weight, reads=reads, sparsity=sparsity, block=block)
    ours = output_error(weight, part.values, reads)
    assert ours <= output_error(weight, weight * part.mask.tensor, reads) * (1 + 1e-5)


@settings(max_examples=30)
@given(st.integers(0, 999), st.sampled_from([0.3, 0.5, 0.8]))
def test_no_values_on_its_mask_beat_least_squares_and_sparsegpt_comes_near(
    seed: int, sparsity: float
) -> None:
    weight, reads = drawn(1, 12, seed=seed), correlated(12, seed)
    (part,) = encoded(ALL["sparsegpt"], weight, reads=reads, sparsity=sparsity, block=1, damping=0.0001)
    mask, inputs = part.mask.tensor[0], reads[0].double()
    wanted = inputs @ weight[0].double()
    best = torch.linalg.lstsq(inputs[:, mask], wanted).solution
    least = float((inputs[:, mask] @ best - wanted).square().mean())
    ours = output_error(weight, part.values, reads)
    alone = output_error(weight, weight * part.mask.tensor, reads)
    assert ours >= least * (1 - 1e-6)
    assert ours <= max(3 * least, alone * 0.9) + 1e-6


def test_the_last_input_alone_is_pruned_as_the_optimal_brain_surgeon_does() -> None:
    # Hassibi and Stork 1993: removing weight q moves the others by -w_q / [H^-1]_qq * H^-1 e_q
    weight, reads = drawn(1, 6) + 3, correlated(6)
    weight[0, 0] = 1e-3
    (part,) = encoded(ALL["sparsegpt"], weight, reads=reads, sparsity=1 / 6, block=6)
    inverse = torch.linalg.inv(damped(hessian([reads]), 0.01))[0]
    expected = weight[0].double() - weight[0, 0].double() / inverse[0, 0] * inverse[0]
    assert part.mask.tensor.tolist() == [[False, *[True] * 5]]
    torch.testing.assert_close(part.values[0].double(), expected, atol=1e-6, rtol=1e-5)


def test_on_inputs_that_go_together_sparsegpt_errs_less_than_wanda_and_magnitude() -> None:
    for seed in range(8):
        weight, reads = drawn(24, 48, seed=seed), correlated(48, seed, items=600)
        errors = [
            output_error(weight, values_of(n, weight, reads, sparsity=0.6, **more), reads)
            for n, more in (("sparsegpt", {}), ("wanda", {"scope": "row"}), ("magnitude", {}))
        ]
        assert errors == sorted(errors)


@pytest.mark.parametrize("pattern", ["2:4", "1:4", "1:3"])
@pytest.mark.parametrize("kernel", [(6, 10), (6, 5, 3), (4, 4, 2, 2)])
def test_sparsegpt_keeps_n_of_every_m_channels_at_each_place_of_the_kernel(
    pattern: str, kernel: tuple[int, ...]
) -> None:
    shaped = drawn(*kernel)
    weight = shaped.flatten(1)
    pruned = sparsegpt(weight, shaped, hessian([correlated(weight.shape[1])]), pattern=pattern)
    n, m = map(int, pattern.split(":"))
    again = largest_n_of_m(pruned.mask.float(), LayerShape("layer", shaped.shape), NOfM(n, m))
    assert not (pruned.mask & ~again).any()
    assert pruned.mask.sum() == again.sum()


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"pattern": "2:4", "sparsity": 0.9}, "Pattern 2:4 keeps n of every m and .* leave sparsity out"),
        ({"pattern": "4:2"}, "n must be at least 1 and below m"),
        ({"pattern": "2:8"}, "Pattern 2:8 needs at least 8 input channels, but the layer has 5"),
    ],
)
def test_a_pattern_that_does_not_fit_is_refused(knobs: dict[str, object], says: str) -> None:
    with pytest.raises(Refused, match=says):
        result(ALL["sparsegpt"], drawn(3, 5), **knobs)


# GPTQ -------------------------------------------------------------------------------------------------------


SAME_LEVELS: dict[str, tuple[str, dict[str, object]]] = {
    "asymmetric": ("affine", {}),
    "narrow": ("uniform", {"narrow_range": True}),
}


@settings(max_examples=40)
@given(
    st.integers(0, 999),
    st.integers(2, 5),
    st.sampled_from(["per_tensor", "per_channel", "per_group:4", "per_group:7"]),
    st.sampled_from(["largest", "stored", "better"]),
    st.sampled_from([0.0, 0.4]),
    st.sampled_from(sorted(SAME_LEVELS)),
)
def test_gptq_errs_no_more_than_rounding_on_the_same_levels(
    seed: int, bits: int, granularity: str, order: str, pruned: float, levels: str
) -> None:
    weight, reads = drawn(5, 14, seed=seed), correlated(14, seed)
    mask = torch.rand(5, 14, generator=torch.Generator().manual_seed(seed)) >= pruned
    knobs = {"bits": bits, "granularity": granularity}
    plainly, further = SAME_LEVELS[levels]
    (ours,), (plain,) = (
        encoded(ALL[n], weight, mask, reads=reads, **knobs, **more)
        for n, more in (("gptq", {"order": order, "levels": levels}), (plainly, further))
    )
    assert not ours.values[~mask].any()
    assert torch.equal(ours.quantized.levels.scale, plain.quantized.levels.scale)
    for row, target in enumerate(weight * mask):
        errors = [output_error(target[None], part.values[row, None], reads) for part in (ours, plain)]
        assert errors[0] <= errors[1] * (1 + 1e-5)


def test_gptq_more_than_halves_the_error_of_rounding_on_inputs_that_go_together() -> None:
    for seed in range(5):
        weight, reads = drawn(16, 48, seed=seed), correlated(48, seed, items=600)
        ours, plain = (
            output_error(weight, values_of(n, weight, reads, bits=3), reads) for n in ("gptq", "affine")
        )
        assert ours < plain / 2


@pytest.mark.parametrize("case", NASTY)
@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel"])
def test_gptq_without_correlation_rounds_to_the_nearest_level(case: str, granularity: str) -> None:
    weight = NASTY[case]
    ones, mask = (
        torch.eye(weight.shape[1], dtype=torch.float64)[None],
        torch.ones_like(weight, dtype=torch.bool),
    )
    ours = gptq(weight, mask, RowRanges.of(weight, mask), ones, bits=3, granularity=granularity)
    levels = result(ALL["affine"], weight, bits=3, granularity=granularity).levels
    assert torch.equal(ours.levels.scale, levels.scale)
    assert torch.equal(ours.codes, levels.encode(weight))


def test_gptq_on_a_pair_of_inputs_does_what_can_be_worked_by_hand() -> None:
    # both inputs are always equal: the second weight takes over what rounding took from the first
    weight = torch.tensor([[0.4, 0.4, 3.0]])
    reads = torch.tensor([[[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    (part,) = encoded(
        ALL["gptq"], weight, reads=reads, bits=3, levels="narrow", order="stored", damping=0.0001
    )
    assert part.values.tolist() == [[0.0, 1.0, 3.0]]


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("levels", ["asymmetric", "symmetric"])
def test_gptq_offers_every_level_that_its_bits_can_name_and_zero_is_one(levels: str, bits: int) -> None:
    weight, reads = drawn(3, 30), correlated(30)
    (part,) = encoded(
        ALL["gptq"], weight, (torch.arange(30) > 4).expand(3, 30), reads=reads, bits=bits, levels=levels
    )
    grid = part.quantized.levels
    assert len(grid.levels()) == 2**bits
    assert all((grid.levels(row) == 0).any() for row in range(3))
    assert not part.values[:, :5].any()


def test_symmetric_levels_of_gptq_are_those_of_torch_and_of_the_authors() -> None:
    # the step is twice the largest weight over 2**bits - 1: every weight is within half a step
    weight, reads = torch.tensor([[0.2, -1.5, 0.6]]), correlated(3)
    (part,) = encoded(ALL["gptq"], weight, reads=reads, bits=2, levels="symmetric")
    assert part.quantized.levels.levels().tolist() == [-2.0, -1.0, 0.0, 1.0]


def _by_the_papers_algorithm(weight: Tensor, reads: Tensor, bits: int, damping: float) -> Tensor:
    """The published loop, one column after the other, on asymmetric levels of each row; no blocks."""
    values, rounded = weight.double().clone(), torch.zeros_like(weight, dtype=torch.float64)
    low, high = weight.amin(1).clamp_max(0).double(), weight.amax(1).clamp_min(0).double()
    scale = (high - low) / (2**bits - 1)
    zero = torch.round(-low / scale)
    moment = hessian([reads])[0]
    ahead = moment.diagonal().argsort(descending=True)
    seen = moment[ahead][:, ahead]
    inverse = torch.linalg.inv(seen + damping * seen.diagonal().mean() * torch.eye(len(seen)))
    for at, column in enumerate(ahead):
        codes = (torch.round(values[:, column] / scale) + zero).clamp(0, 2**bits - 1)
        rounded[:, column] = (codes - zero) * scale
        error = (values[:, column] - rounded[:, column]) / inverse[at, at]
        values[:, ahead[at + 1 :]] -= error[:, None] * inverse[at, at + 1 :]
        inverse = inverse - inverse[:, at, None] @ inverse[None, at] / inverse[at, at]
    return rounded


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_gptq_is_the_published_loop_or_better(bits: int) -> None:
    weight, reads = drawn(24, 40), correlated(40, items=300)
    loop = output_error(weight, _by_the_papers_algorithm(weight, reads, bits, 0.01), reads)
    ours = output_error(weight, values_of("gptq", weight, reads, bits=bits, order="largest"), reads)
    assert 0.9 * loop < ours < loop * 1.001
    better = output_error(weight, values_of("gptq", weight, reads, bits=bits, order="better"), reads)
    assert better <= ours


def test_groups_are_rounded_each_by_its_own_inputs() -> None:
    weight = drawn(6, 8)
    moments = torch.cat([hessian([correlated(8, seed)]) for seed in (1, 2)])
    mask = torch.ones_like(weight, dtype=torch.bool)

    def codes(rows: slice, moment: Tensor) -> Tensor:
        part, all_kept = weight[rows], mask[rows]
        return gptq(part, all_kept, RowRanges.of(part, all_kept), moment, bits=3, order="better").codes

    both = codes(slice(0, 6), moments)
    assert torch.equal(both, torch.cat([codes(slice(0, 3), moments[:1]), codes(slice(3, 6), moments[1:])]))


# Low rank ---------------------------------------------------------------------------------------------------


def low_rank_values(name: str, weight: Tensor, reads: Tensor, **knobs: object) -> Tensor:
    first, second = result(ALL[name], weight, reads=reads, **knobs).kernels
    return second.flatten(1) @ first.flatten(1)


@settings(max_examples=30)
@given(st.integers(0, 999), st.integers(1, 6))
def test_no_factors_of_its_rank_err_less_in_the_output(seed: int, rank: int) -> None:
    weight, reads = drawn(9, 12, seed=seed), correlated(12, seed)
    ours = output_error(weight, low_rank_values("whitened_low_rank", weight, reads, rank=rank), reads)
    plain = output_error(weight, low_rank_values("low_rank", weight, reads, rank=rank), reads)
    assert ours <= plain * (1 + 1e-4)
    wanted = reads[0].double() @ weight.double().T
    least = float(torch.linalg.svdvals(wanted)[rank:].square().sum()) / reads.shape[1]
    assert ours == pytest.approx(least, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("reads", ["mixed", "independent", "all zero", "constant", "one item"])
@pytest.mark.parametrize("case", ["random", "zero rows", "outlier", "ties"])
def test_full_rank_gives_back_the_weight_whatever_the_inputs(reads: str, case: str) -> None:
    weight = NASTY[case]
    back = low_rank_values("whitened_low_rank", weight, nasty_inputs(16)[reads], rank=6)
    assert torch.allclose(back, weight, rtol=0, atol=float(weight.abs().max()) * 1e-3)


def test_inputs_that_do_not_go_together_make_it_plain_low_rank() -> None:
    weight, reads = drawn(7, 5), torch.eye(5)[None]
    ours, plain = (low_rank_values(n, weight, reads, rank=2) for n in ("whitened_low_rank", "low_rank"))
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-4)


# A real network ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_measuring_techniques_keep_more_of_lenet300_than_those_that_look_at_weights() -> None:
    subject, store = loaded_sample("lenet300"), Store()

    def accuracy(technique: str, **knobs: object) -> float:
        model = compress(subject, Recipe((Rule("*", (Step.of(technique, **knobs),)),)), store)
        found = predict(model, subject.split("validation"), store)
        return float((found.logits.argmax(axis=1) == found.labels).mean())

    magnitude = accuracy("magnitude", sparsity=0.9)
    assert accuracy("wanda", sparsity=0.9, scope="row") > magnitude + 0.05
    assert accuracy("sparsegpt", sparsity=0.9) > magnitude + 0.1
    assert accuracy("gptq", bits=2) > 0.97
    assert accuracy("uniform", bits=2) < 0.9
