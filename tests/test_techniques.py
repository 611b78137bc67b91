"""Every technique, those not written yet included: what its signature promises; then its own theorem."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import prune

from compress_core.apply.context import generator_for
from compress_core.foundation.errors import Refused
from compress_core.levels.table import Table
from compress_core.numerics.factoring import composed
from compress_core.selection.group_selection import GroupSelection, choose_units
from compress_core.selection.patterns import LayerShape
from compress_core.selection.select import Selection, select
from compress_core.statistics.mode_vectors import mode_vectors
from compress_core.statistics.singular_vectors import singular_vectors
from compress_core.statistics.spatial_vectors import spatial_vectors
from compress_core.statistics.whitened_vectors import whitened_vectors
from compress_core.techniques.batch_norm_scale import batch_norm_scale
from compress_core.techniques.contract.encoded import EncodedWeight, read_stored
from compress_core.techniques.contract.results import Factored, Quantized
from compress_core.techniques.contract.technique import Stage, Technique, techniques
from compress_core.techniques.geometric_median import geometric_median
from compress_core.techniques.low_rank import low_rank
from compress_core.techniques.magnitude import magnitude
from compress_core.techniques.mean_activation import mean_activation
from compress_core.techniques.normal_float import gaussian_levels
from compress_core.techniques.random_pruning import random_pruning
from compress_core.techniques.zero_activations import zero_activations
from tests.technique_cases import bad_values, encoded, good_values, nasty_weights, numbers, result, strategy

ALL = techniques()
KNOBS = [(name, knob) for name, method in ALL.items() for knob in method.knobs.model_fields]
NASTY = nasty_weights()
QUANTIZERS = [name for name, method in ALL.items() if method.result is Quantized]
BY_BITS = [name for name in QUANTIZERS if "bits" in ALL[name].own_knobs]
SCALED = [  # the knob of a codebook has no groups
    name for name in QUANTIZERS if getattr(ALL[name].knobs.model_fields.get("granularity"), "examples", None)
]
FACTORIZERS = [name for name, method in ALL.items() if method.result is Factored]
TO_NEAREST = [name for name in BY_BITS if result(ALL[name], torch.eye(2)).codes is None]
OF_OTHERS = [n for n, method in ALL.items() if method.stage in {Stage.PREPARE, Stage.INPUTS, Stage.CORRECT}]
CRITERIA = [name for name, method in ALL.items() if method.is_criterion]


def drawn(rows: int, inputs: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, inputs, generator=torch.Generator().manual_seed(seed))


def assert_sound(part: EncodedWeight) -> None:
    """Finite, counted to the byte, and read back to the same values."""
    values = part.values
    assert torch.isfinite(values).all()
    stored = part.stored()
    assert part.bits.total == 8 * sum(t.nbytes for t in stored.values())
    assert {n: tuple(t.shape) for n, t in stored.items()} == {
        n: shape for n, (_, shape) in part.entries().items()
    }
    form = json.loads(json.dumps(part.form()))
    assert torch.equal(read_stored(stored, form), values)
    assert part.zeros.total == int((values == 0).sum())
    assert min(part.zeros.pruned, part.zeros.quantized, part.zeros.original) >= 0


def assert_same(one: object, two: object) -> None:
    """Two answers hold the same numbers."""
    match one:
        case Tensor():
            assert torch.equal(one, two)
        case tuple():
            assert_same_tensors(one, two)
        case _ if dataclasses.is_dataclass(one):
            assert type(one) is type(two)
            for field, value in vars(one).items():
                assert_same(value, vars(two)[field])
        case _:
            assert one == two


def assert_same_tensors(ones: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> None:
    assert len(ones) == len(others)
    assert all(torch.equal(one, other) for one, other in zip(ones, others, strict=True))


# Every technique --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_technique_says_what_it_does_and_where_it_comes_from(name):
    method = ALL[name]
    assert 20 < len(method.summary) < 140
    assert method.summary.endswith(".")
    assert any(c.isdigit() for c in method.source), "a source has a year"
    assert "weight" in method.details


@pytest.mark.parametrize("name", ALL)
def test_a_technique_has_a_json_schema_with_a_text_for_each_knob(name):
    schema = ALL[name].knobs.model_json_schema()
    assert schema["additionalProperties"] is False
    assert all(len(knob["description"]) > 10 for knob in schema["properties"].values())


@pytest.mark.parametrize(("name", "knob"), KNOBS)
def test_edge_values_of_a_knob_are_taken_and_kept(name, knob):
    method = ALL[name]
    for value in good_values(method.knobs.model_fields[knob]):
        checked = method.validated({knob: value})
        assert getattr(checked, knob) == value
        assert method.validated(dict(checked)) == checked


@pytest.mark.parametrize(("name", "knob"), KNOBS)
def test_invalid_values_are_refused_by_the_name_of_the_knob(name, knob):
    method = ALL[name]
    for value in bad_values(method.knobs.model_fields[knob]):
        with pytest.raises(Refused) as refused:
            method.validated({knob: value})
        assert knob in str(refused.value)
        assert name in str(refused.value)
        assert "alue error" not in str(refused.value)


@pytest.mark.parametrize("name", ALL)
def test_an_unknown_knob_is_refused_with_the_names_there_are(name):
    first = next(iter(ALL[name].knobs.model_fields), "none")
    with pytest.raises(Refused, match=f"{name} has no knob strength; it has {first}"):
        ALL[name].validated({"strength": 1})


@pytest.mark.slow
@pytest.mark.parametrize("case", NASTY)
@pytest.mark.parametrize("name", ALL)
def test_nasty_weights_decode_to_finite_values_that_the_file_holds(name, case):
    weight = NASTY[case]
    for part in encoded(ALL[name], weight):
        assert_sound(part)


@pytest.mark.slow
@pytest.mark.parametrize("case", NASTY)
@pytest.mark.parametrize("name", OF_OTHERS)
def test_what_is_nasty_gives_finite_numbers_where_a_technique_is_not_about_weights(name, case):
    assert torch.isfinite(numbers(ALL[name], NASTY[case])).all()


@pytest.mark.slow
@pytest.mark.parametrize("case", NASTY)
@pytest.mark.parametrize("name", QUANTIZERS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_quantized_pruned_weights_stay_zero_and_the_file_holds_them(name, case, share):
    weight = NASTY[case]
    mask = torch.rand(weight.shape, generator=torch.Generator().manual_seed(3)) >= share
    for part in encoded(ALL[name], weight, mask):
        assert_sound(part)
        assert not part.values[~mask].any()


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_knob_values_give_a_sound_weight_or_a_refusal(name, data):
    method = ALL[name]
    given_knobs = {
        knob: data.draw(strategy(field), label=knob)
        for knob, field in method.knobs.model_fields.items()
        if data.draw(st.booleans(), label=f"set {knob}")
    }
    rows, inputs = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 9))
    weight = drawn(rows, inputs, data.draw(st.integers(0, 99)))
    try:
        parts = encoded(method, weight, **given_knobs)
    except Refused:  # a group, a rank or a pattern that this small layer has no room for
        parts = ()
    for part in parts:
        assert_sound(part)


@pytest.mark.parametrize("case", ["random", "zero rows", "huge"])
@pytest.mark.parametrize("name", ALL)
def test_a_technique_changes_nothing_and_answers_the_same_again(name, case):
    weight = NASTY[case].clone()
    first, second = result(ALL[name], weight), result(ALL[name], weight)
    assert torch.equal(weight, NASTY[case])
    assert_same(first, second)
    for part in encoded(ALL[name], weight):
        part.decode_into(torch.empty_like(part.weight))
    assert torch.equal(weight, NASTY[case])


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("scope", ["row", "layer", "network", "erk"])
def test_masks_only_ever_lose_weights_when_sparsity_grows(name, scope):
    weight = torch.round(drawn(8, 24), decimals=1)
    before = torch.ones_like(weight, dtype=torch.bool)
    for sparsity in np.linspace(0, 1, 33):
        (part,) = encoded(ALL[name], weight, sparsity=float(sparsity), scope=scope)
        assert not (part.mask.tensor & ~before).any()
        before = part.mask.tensor


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("sparsity", [0.0, 0.01, 0.29, 0.333, 0.5, 0.57, 0.905, 1.0])
def test_exactly_the_share_is_removed_whatever_ties_there_are(name, sparsity):
    for weight in (drawn(10, 10), NASTY["ties"], NASTY["all zero"], NASTY["constant"]):
        (part,) = encoded(ALL[name], weight, sparsity=sparsity)
        removed = round(sparsity * weight.numel())
        assert int((~part.mask.tensor).sum()) == removed == part.zeros.pruned
        assert part.mask.count == int(part.mask.tensor.sum())


@pytest.mark.parametrize("name", BY_BITS)
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_a_weight_takes_no_more_levels_than_its_bits_can_name(name, bits):
    weight = drawn(4, 600)
    (part,) = encoded(ALL[name], weight, bits=bits)
    for row in part.values:
        assert len(row.unique()) <= 2**bits
    assert part.bits_for_each_value <= bits


@pytest.mark.parametrize("name", TO_NEAREST)
def test_every_weight_goes_to_its_nearest_level(name):
    weight = drawn(3, 400)
    for bits in (2, 3, 5):
        (part,) = encoded(ALL[name], weight, bits=bits)
        for row, values in enumerate(part.values):
            levels = part.quantized.levels.levels(row).double()
            best = (weight[row].double()[:, None] - levels).abs().min(dim=1).values
            assert torch.allclose((weight[row] - values).abs().double(), best, atol=1e-6)


@pytest.mark.parametrize("name", TO_NEAREST)
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_quantizing_what_is_quantized_changes_nothing(name, bits):
    (once,) = encoded(ALL[name], drawn(5, 200), bits=bits)
    (twice,) = encoded(ALL[name], once.values, bits=bits)
    assert torch.allclose(once.values, twice.values, atol=1e-6)


@pytest.mark.parametrize("name", TO_NEAREST)
def test_more_bits_never_err_more(name):
    weight = drawn(6, 300)
    errors = [
        float((encoded(ALL[name], weight, bits=b)[0].values - weight).square().sum()) for b in range(2, 9)
    ]
    assert all(after <= before * 1.0001 for before, after in itertools.pairwise(errors))


# Magnitude and random pruning -------------------------------------------------------------------------------


@pytest.mark.parametrize("sparsity", [0.1, 0.29, 0.5, 0.9])
def test_magnitude_removes_what_torch_prunes(sparsity):
    layer = nn.Linear(37, 23)
    weight = layer.weight.detach().clone()
    prune.l1_unstructured(layer, "weight", round(sparsity * weight.numel()))
    (part,) = encoded(ALL["magnitude"], weight, sparsity=sparsity)
    assert torch.equal(part.mask.tensor, layer.weight_mask.bool())
    assert torch.equal(part.values, layer.weight.detach())


@pytest.mark.parametrize("sparsity", [0.1, 0.29, 0.5, 0.9])
def test_magnitude_over_the_network_removes_what_torch_prunes_globally(sparsity):
    layers = [nn.Linear(700, 30), nn.Linear(11, 5), nn.Linear(300, 120)]
    weights = [layer.weight.detach().clone() for layer in layers]
    total = sum(w.numel() for w in weights)
    prune.global_unstructured(
        [(layer, "weight") for layer in layers], prune.L1Unstructured, amount=round(sparsity * total)
    )
    choice = Selection(sparsity=sparsity, scope="network")
    shapes = [LayerShape(n, w.shape) for n, w in zip("abc", weights, strict=True)]
    mask = select([magnitude(w) for w in weights], shapes, choice, None)
    for part, layer, weight in zip(mask, layers, weights, strict=True):
        assert torch.equal(part.tensor, layer.weight_mask.bool())
        assert part.count == int(part.tensor.sum())
        assert torch.equal(EncodedWeight(weight, part).values, layer.weight.detach())


def test_random_pruning_is_the_same_for_a_seed_and_another_for_each_layer():
    weight = drawn(40, 50)

    def mask_of(seed, name):
        return encoded(ALL["random_pruning"], weight, name=name, seed=seed)[0].mask.tensor

    assert torch.equal(mask_of(1, "fc1"), mask_of(1, "fc1"))
    for other in (mask_of(2, "fc1"), mask_of(1, "fc2")):
        assert 0.4 < float((mask_of(1, "fc1") == other).float().mean()) < 0.6


def test_random_pruning_does_not_look_at_the_weight_nor_at_the_global_seed():
    torch.manual_seed(0)
    one = random_pruning(drawn(5, 6), generator_for(3, "fc1")).values
    torch.manual_seed(1)
    assert torch.equal(one, random_pruning(torch.zeros(5, 6), generator_for(3, "fc1")).values)


# Threshold --------------------------------------------------------------------------------------------------


def test_threshold_keeps_what_reaches_the_share_of_the_largest():
    weight = torch.tensor([[0.1, -0.5, 1.0], [-2.0, 0.99, 0.0]])
    assert encoded(ALL["threshold"], weight, share=0.5)[0].values.tolist() == [[0, 0, 1], [-2, 0, 0]]
    assert encoded(ALL["threshold"], weight, share=1.0)[0].mask.count == 1
    assert encoded(ALL["threshold"], weight, share=0.0)[0].mask.count == 6


# Uniform and affine -----------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    st.integers(0, 999),
    st.integers(2, 8),
    st.sampled_from(["per_tensor", "per_channel", "per_group:4", "per_group:5"]),
)
def test_uniform_errs_by_at_most_half_a_step_and_keeps_zero(seed, bits, granularity):
    weight = drawn(7, 20, seed)
    weight[2, 3] = 0
    (part,) = encoded(ALL["uniform"], weight, bits=bits, granularity=granularity)
    grid = part.quantized.levels
    step = grid.decode(torch.ones_like(weight))
    assert ((part.values - weight).abs() <= step / 2 * (1 + 1e-5)).all()
    assert part.values[2, 3] == 0
    assert len(grid.levels()) == 2**bits
    assert torch.equal(grid.decode(grid.encode(weight)), part.values)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("bits", range(2, 9))
def test_uniform_equals_fake_quantization_of_torch(bits, narrow):
    weight = drawn(30, 50)
    high = 2 ** (bits - 1) - 1
    low = -high - (not narrow)
    scale = torch.maximum(weight.amin(1) / low, weight.amax(1) / high)
    zero_point = torch.zeros(30, dtype=torch.int32)
    peer = torch.fake_quantize_per_channel_affine(weight, scale, zero_point, 0, low, high)
    knobs = {"bits": bits, "narrow_range": narrow}
    assert torch.equal(encoded(ALL["uniform"], weight, granularity="per_channel", **knobs)[0].values, peer)
    peer = torch.fake_quantize_per_tensor_affine(weight, float(scale.max()), 0, low, high)
    ours = encoded(ALL["uniform"], weight, granularity="per_tensor", **knobs)[0].values
    assert torch.allclose(ours, peer, atol=1e-6)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("name", ["uniform", "clipped"])
def test_every_whole_number_that_the_bits_can_name_stays_as_it_is(name, bits):
    below = 2 ** (bits - 1)
    weight = torch.arange(-below, below).float().repeat(2, 1) * torch.tensor([[1.0], [0.25]])
    (part,) = encoded(ALL[name], weight, bits=bits)
    assert torch.equal(part.values, weight)
    assert len(part.values[0].unique()) == 2**bits
    (narrow,) = encoded(ALL[name], weight[:, 1:], bits=bits, narrow_range=True)
    assert torch.equal(narrow.values, weight[:, 1:])
    assert len(narrow.quantized.levels.levels()) == 2**bits - 1


@settings(max_examples=30)
@given(st.integers(0, 999), st.integers(2, 8), st.sampled_from(["per_tensor", "per_channel", "per_group:4"]))
def test_all_levels_are_never_coarser_than_the_narrow_range(seed, bits, granularity):
    weight = drawn(7, 20, seed)
    steps = [
        result(ALL["uniform"], weight, bits=bits, granularity=granularity, narrow_range=narrow).levels.scale
        for narrow in (False, True)
    ]
    assert (steps[0] <= steps[1]).all()


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("shift", [-3.0, -0.7, 0.0, 2.0])
def test_affine_equals_fake_quantization_of_torch_with_its_zero_point(bits, shift):
    weight = drawn(30, 50) + shift
    (part,) = encoded(ALL["affine"], weight, bits=bits, granularity="per_tensor")
    grid = part.quantized.levels
    assert 0 <= int(grid.zero_point) <= 2**bits - 1 == grid.high
    peer = torch.fake_quantize_per_tensor_affine(
        weight, grid.scale.view(()), grid.zero_point.view(()).int(), 0, grid.high
    )
    assert torch.equal(part.values, peer)


@pytest.mark.parametrize("shift", [-3.0, 0.0, 0.4, 2.0])
@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel", "per_group:5"])
def test_affine_covers_the_weights_and_zero_and_errs_by_half_a_step(shift, granularity):
    weight = drawn(9, 35) + shift
    weight[:, ::5] = 0
    (part,) = encoded(ALL["affine"], weight, bits=4, granularity=granularity)
    grid = part.quantized.levels
    step = grid.decode(torch.ones_like(weight)) - grid.decode(torch.zeros_like(weight))
    assert ((part.values - weight).abs() <= step / 2 * (1 + 1e-4)).all()
    assert not part.values[:, ::5].any()


@pytest.mark.parametrize("name", [name for name in SCALED if name in TO_NEAREST])
def test_a_group_is_scaled_as_if_it_were_alone(name):
    weight = drawn(6, 20)
    whole = encoded(ALL[name], weight, bits=3, granularity="per_group:8")[0].values
    alone = [
        encoded(ALL[name], part.contiguous(), bits=3, granularity="per_channel")[0].values
        for part in weight.split(8, dim=1)
    ]
    assert torch.equal(whole, torch.cat(alone, dim=1))


@pytest.mark.parametrize(
    ("name", "sharing"),
    [
        *(("kmeans", {"granularity": per}) for per in ("per_tensor", "per_channel")),
        *(
            (n, {"granularity": per})
            for n in SCALED
            for per in ("per_tensor", "per_channel", "per_group:10", "per_group:7")
        ),
    ],
)
def test_pruned_weights_do_not_widen_the_range(name, sharing):
    weight = drawn(6, 60)
    mask = weight.abs() < 1
    (part,) = encoded(ALL[name], weight, mask, bits=4, **sharing)
    (alone,) = encoded(ALL[name], weight * mask, mask, bits=4, **sharing)
    assert torch.equal(part.values, alone.values)
    assert part.values.abs().max() <= 1.15


@pytest.mark.parametrize("name", SCALED)
def test_a_group_wider_than_the_layer_is_refused(name):
    with pytest.raises(Refused, match="Groups of 64 inputs do not fit a layer with 20 inputs: choose"):
        encoded(ALL[name], drawn(3, 20), granularity="per_group:64")


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("group", [16, 64, 256])
def test_smaller_groups_cost_their_scales_and_nothing_else(name, group):
    (part,) = encoded(ALL[name], drawn(4, 600), bits=4, granularity=f"per_group:{group}")
    groups = 4 * math.ceil(600 / group)
    (alone,) = encoded(ALL[name], drawn(4, 600), bits=4, granularity="per_tensor")
    of_each = {"power_of_two": 8, "affine": 40, "gptq": 40}.get(name, 32)
    assert part.bits.tables - alone.bits.tables == (groups - 1) * of_each
    assert part.bits.values == alone.bits.values


# Clipped ----------------------------------------------------------------------------------------------------


def squared_error(part: EncodedWeight, mask: Tensor | bool = True) -> float:
    return float(((part.values - part.weight) * mask).double().square().sum())


@settings(max_examples=60)
@given(
    st.integers(0, 999),
    st.integers(2, 8),
    st.sampled_from(["per_tensor", "per_channel", "per_group:4", "per_group:7"]),
    st.sampled_from([1, 3, 9]),
)
def test_clipped_never_errs_more_than_uniform(seed, bits, granularity, power):
    weight = drawn(7, 20, seed) ** power
    mask = drawn(7, 20, seed + 1) > -1
    knobs = {"bits": bits, "granularity": granularity}
    (ours,), (whole,) = (encoded(ALL[name], weight, mask, **knobs) for name in ("clipped", "uniform"))
    assert squared_error(ours, mask) <= squared_error(whole, mask) * (1 + 1e-6)


@pytest.mark.parametrize("case", NASTY)
@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel"])
def test_clipped_never_errs_more_than_uniform_on_nasty_weights(case, granularity):
    (ours,), (whole,) = (
        encoded(ALL[n], NASTY[case], bits=3, granularity=granularity) for n in ("clipped", "uniform")
    )
    assert squared_error(ours) <= squared_error(whole) * (1 + 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [2, 3, 4, 6])
@pytest.mark.parametrize("tail", [1.5, 3.0, 30.0])
def test_clipped_errs_about_as_little_as_the_best_of_two_thousand_ranges(bits, tail):
    weight = torch.from_numpy(np.random.default_rng(0).standard_t(tail, (1, 20_000))).float()
    (part,) = encoded(ALL["clipped"], weight, bits=bits, granularity="per_tensor")
    high, largest = 2 ** (bits - 1) - 1, float(weight.abs().max())
    steps = largest * np.geomspace(1e-3, 1, 2000) / high
    best = min(
        float(((weight / s).round().clamp(-high - 1, high) * s - weight).square().sum()) for s in steps
    )
    assert squared_error(part) <= best * 1.005


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_clipped_finds_the_step_that_is_best_for_a_gaussian(bits, narrow):
    # Max 1960, Quantizing for Minimum Distortion: here by integrating over the density
    from scipy.optimize import minimize_scalar

    at, high = np.linspace(-9, 9, 180_001), 2 ** (bits - 1) - 1
    density, low = np.exp(-at * at / 2), -high - (not narrow)
    step = minimize_scalar(
        lambda s: float((density * (at - np.clip(np.round(at / s), low, high) * s) ** 2).sum()),
        bounds=(0.05, 2),
        method="bounded",
    ).x
    knobs = {"bits": bits, "narrow_range": narrow}
    (part,) = encoded(ALL["clipped"], drawn(100, 2000), granularity="per_tensor", **knobs)
    assert float(part.quantized.levels.scale) == pytest.approx(step, rel=0.04)


# Normal float -----------------------------------------------------------------------------------------------

# Dettmers et al. 2023, QLoRA, arXiv:2305.14314, appendix E
NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635]
NF4 += [-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725]
NF4 += [0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941]
NF4 += [0.7229568362236023, 1.0]


def test_normal_float_at_four_bits_is_the_published_table():
    assert torch.allclose(gaussian_levels(4), torch.tensor(NF4), atol=1e-6)


@pytest.mark.parametrize("bits", range(2, 9))
def test_normal_float_levels_are_the_quantiles_of_a_gaussian(bits):
    from scipy.stats import norm

    levels = gaussian_levels(bits)
    assert (levels == 0).sum() == 1
    assert (len(levels), levels[0], levels[-1]) == (2**bits, -1, 1)
    positive, negative = levels[levels >= 0].double().numpy(), -levels[levels <= 0].double().numpy()
    last = 1 - (1 / 2 ** (bits + 1) + 1 / (2 ** (bits + 1) - 2)) / 2
    for side in (positive, negative):
        shares = norm.cdf(np.sort(side) * norm.ppf(last))
        assert np.allclose(np.diff(shares), (last - 0.5) / (len(side) - 1), atol=1e-6)


@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel", "per_group:5"])
def test_normal_float_takes_the_nearest_level_times_the_largest_weight(granularity):
    weight = drawn(6, 23)
    (part,) = encoded(ALL["normal_float"], weight, bits=3, granularity=granularity)
    levels = part.quantized.levels
    largest = levels.decode(torch.full_like(weight, 7))
    best = (weight.unsqueeze(2) - largest.unsqueeze(2) * gaussian_levels(3)).abs().min(dim=2).values
    assert torch.allclose((weight - part.values).abs(), best, atol=1e-6)
    assert torch.isclose(part.values.abs().max(), weight.abs().max())


# Power of two -----------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=20), st.integers(2, 6))
def test_power_of_two_finds_the_nearest_level_as_brute_force_does(values, bits):
    weight = torch.tensor([values])
    (part,) = encoded(ALL["power_of_two"], weight, bits=bits)
    top = int(part.quantized.levels.top)
    powers = [2.0 ** (top - i) for i in range(2 ** (bits - 1) - 1)]
    levels = torch.tensor([0.0, *powers, *(-p for p in powers)], dtype=torch.float64)
    best = (weight.double().T - levels).abs().min(dim=1).values
    assert torch.equal((weight - part.values).abs().double()[0], best)


@pytest.mark.parametrize(("largest", "top"), [(1.0, 0), (1.49, 0), (1.5, 1), (2.0, 1), (0.3, -2), (0.4, -1)])
def test_the_highest_power_is_the_one_nearest_to_the_largest_weight(largest, top):
    # Zhou et al. 2017, eq. 3: floor(log2(4 s / 3))
    (part,) = encoded(ALL["power_of_two"], torch.tensor([[largest, -0.1]]))
    assert int(part.quantized.levels.top) == top == math.floor(math.log2(4 * largest / 3))


# k-means ----------------------------------------------------------------------------------------------------

SHAPES_OF_WEIGHTS = {
    "normal": lambda r: r.normal(size=4000),
    "heavy tails": lambda r: r.standard_t(2, size=4000),
    "two hills": lambda r: np.concatenate([r.normal(-5, 0.1, 1500), r.normal(4, 1, 2500)]),
    "few": lambda r: r.normal(size=120),
    "many zeros": lambda r: r.normal(size=3000) * (r.random(3000) < 0.1),
    "islands": lambda r: r.integers(0, 40, 3000) + r.normal(0, 0.01, 3000),
}


@pytest.mark.parametrize("bits", [2, 4, 5])
@pytest.mark.parametrize("shape", SHAPES_OF_WEIGHTS)
def test_kmeans_errs_no_more_than_scikit_learn(shape, bits):
    from sklearn.cluster import KMeans

    values = SHAPES_OF_WEIGHTS[shape](np.random.default_rng(0)).astype(np.float32)
    (part,) = encoded(ALL["kmeans"], torch.from_numpy(values)[None], bits=bits)
    peer = KMeans(2**bits, n_init=2, random_state=0).fit(values[:, None].astype(np.float64))
    ours = float((part.values[0] - torch.from_numpy(values)).double().square().sum())
    assert ours <= peer.inertia_ * 1.001


@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel"])
@pytest.mark.parametrize(("bits", "inputs"), [(2, 80), (3, 80), (4, 80), (2, 2000), (3, 300)])
def test_each_level_is_the_mean_of_the_kept_weights_nearest_to_it(granularity, bits, inputs):
    weight = drawn(5, inputs)
    mask = torch.rand(weight.shape, generator=torch.Generator().manual_seed(0)) < 0.7
    (part,) = encoded(ALL["kmeans"], weight, mask, bits=bits, granularity=granularity)
    codes = part.quantized.levels.encode(weight)
    for row in range(5) if granularity == "per_channel" else [slice(None)]:
        for code, level in enumerate(
            part.quantized.levels.levels(row if granularity == "per_channel" else 0)
        ):
            mine = weight[row][(codes[row] == code) & mask[row]]
            assert torch.isclose(mine.double().mean(), level.double(), atol=1e-3 if inputs == 2000 else 1e-6)


@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel"])
def test_no_more_distinct_weights_than_levels_stay_as_they_are(granularity):
    weight = torch.tensor([[0.1, 0.1, 0.1], [-7.0, 3.0, 0.1]])
    (part,) = encoded(ALL["kmeans"], weight, bits=2, granularity=granularity)
    assert torch.equal(part.values, weight)
    (one,) = encoded(ALL["kmeans"], torch.full((4, 5), 0.3), bits=8)
    assert torch.equal(one.values, torch.full((4, 5), 0.3))
    assert one.quantized.levels.table.tolist() == [[pytest.approx(0.3)]]


@settings(max_examples=40)
@given(st.lists(st.floats(-100, 100, width=16), min_size=3, max_size=9), st.integers(0, 1))
def test_four_levels_for_few_weights_are_the_best_there_are(values, seed):
    ordered = sorted(values)
    (part,) = encoded(ALL["kmeans"], torch.tensor([values]), bits=2)

    def spread(piece):
        return sum((v - sum(piece) / len(piece)) ** 2 for v in piece) if piece else 0.0

    cuts = itertools.combinations_with_replacement(range(len(ordered) + 1), 3)
    best = min(sum(spread(ordered[a:b]) for a, b in itertools.pairwise((0, *c, len(ordered)))) for c in cuts)
    assert float((part.values - torch.tensor([values])).double().square().sum()) <= best * 1.0001 + 1e-6


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
@pytest.mark.parametrize("case", ["normal", "outlier", "narrow"])
def test_the_fast_way_to_the_nearest_level_is_exact(bits, case):
    weight = drawn(300, 301)
    weight = {"normal": weight, "outlier": weight.clone(), "narrow": weight * 1e-33}[case]
    if case == "outlier":
        weight[0, 0] = 1e30
    (part,) = encoded(ALL["kmeans"], weight, bits=bits)
    table = part.quantized.levels.table[0].double()
    exact = torch.bucketize(weight.double(), (table[1:] + table[:-1]) / 2)
    assert torch.equal(part.quantized.levels.encode(weight), exact.to(torch.int16))
    assert torch.equal(part.values, part.quantized.levels.table[0][exact])


# Low rank ---------------------------------------------------------------------------------------------------


def product(factors: Factored, groups: int = 1) -> Tensor:
    return composed(factors.kernels, groups).flatten(1)


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (25, 25), (1, 9), (9, 1)])
def test_low_rank_errs_as_little_as_the_singular_values_allow(shape):
    weight = drawn(*shape)
    values = torch.linalg.svdvals(weight.double())
    for rank in range(1, min(shape) + 1):
        factors = result(ALL["low_rank"], weight, rank=rank)
        error = float((product(factors) - weight).double().square().sum())
        assert error == pytest.approx(
            float(values[rank:].square().sum()), abs=1e-8 * float(values.square().sum())
        )


@settings(max_examples=30)
@given(st.integers(0, 999), st.integers(1, 5))
def test_low_rank_beats_any_other_factors_of_its_rank(seed, rank):
    weight = drawn(12, 8, seed)
    ours = (product(result(ALL["low_rank"], weight, rank=rank)) - weight).square().sum()
    left = drawn(12, rank, seed + 1)
    best_right = torch.linalg.lstsq(left, weight).solution
    assert ours <= (left @ best_right - weight).square().sum() * 1.00001


@pytest.mark.parametrize("case", ["random", "huge", "outlier", "zero rows", "denormal", "all zero", "ties"])
def test_full_rank_reproduces_the_weight(case):
    weight = NASTY[case]
    factors = result(ALL["low_rank"], weight, rank=min(weight.shape))
    assert torch.allclose(product(factors), weight, rtol=0, atol=float(weight.abs().max()) * 1e-5)


def test_singular_values_equal_those_of_torch():
    weight = drawn(60, 40) @ torch.diag(torch.logspace(0, -6, 40))
    ours = singular_vectors(weight, 1)
    values = torch.linalg.svdvals(weight.double())
    assert torch.allclose(ours.values[0], values, atol=1e-7 * float(values[0]))
    assert torch.allclose(ours.right[0].T @ ours.right[0], torch.eye(40), atol=1e-5)


def test_groups_are_factored_each_by_itself():
    weight = drawn(12, 10)
    whole = low_rank(weight, singular_vectors(weight, 3), rank=2)
    assert [kernel.shape for kernel in whole.kernels] == [(6, 10), (12, 2)]
    alone = [product(low_rank(part, singular_vectors(part, 1), rank=2)) for part in weight.split(4)]
    assert torch.allclose(product(whole, 3), torch.cat(alone), atol=1e-5)


@pytest.mark.parametrize("energy", [0.001, 0.5, 0.9, 0.999, 1.0])
def test_energy_picks_the_lowest_rank_that_keeps_it(energy):
    weight = drawn(20, 30)
    squared = torch.linalg.svdvals(weight.double()).square()
    share = squared.cumsum(0) / squared.sum()
    rank = result(ALL["low_rank"], weight, energy=energy).rank
    assert share[rank - 1] >= energy - 1e-8
    assert rank == 1 or share[rank - 2] < energy


def test_a_weight_of_zeros_needs_rank_one():
    assert result(ALL["low_rank"], torch.zeros(5, 7)).rank == 1


def test_a_rank_above_the_highest_is_refused():
    with pytest.raises(
        Refused, match="A weight of 5 x 7 has rank 5 at most, but rank 6 was asked for: choose"
    ):
        result(ALL["low_rank"], drawn(5, 7), rank=6)


@pytest.mark.parametrize("name", FACTORIZERS)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.75, 1.0])
def test_bytes_pick_the_highest_rank_that_fits(name, share):
    kernel = drawn(16, 12 * 9).view(16, 12, 3, 3)
    factors = factored(name, kernel, choose="bytes", share_of_bytes=share)
    assert sum(k.numel() for k in factors.kernels) <= share * kernel.numel()
    assert relative_error(kernel, factors) >= 0
    if name != "tucker":
        higher = factored(name, kernel, rank=factors.rank + 1)
        assert sum(k.numel() for k in higher.kernels) > share * kernel.numel()


@pytest.mark.parametrize("name", FACTORIZERS)
def test_break_even_is_the_last_rank_that_makes_the_layer_smaller(name):
    kernel = drawn(16, 12 * 9).view(16, 12, 3, 3)
    factors = factored(name, kernel, choose="break_even")
    assert sum(k.numel() for k in factors.kernels) < kernel.numel()
    more = [{"rank": factors.rank + 1}]
    if name == "tucker":
        narrow, wide = factors.kernels[1].shape[1], factors.kernels[1].shape[0]
        more = [{"rank_in": min(12, narrow + 1), "rank_out": wide}]
        more += [{"rank_in": narrow, "rank_out": min(16, wide + 1)}]
    sizes = [sum(k.numel() for k in factored(name, kernel, **ranks).kernels) for ranks in more]
    assert max(sizes) >= kernel.numel()


@pytest.mark.parametrize("name", FACTORIZERS)
@pytest.mark.parametrize("energy", [0.5, 0.9, 0.99, 1.0])
def test_factors_keep_at_least_the_energy(name, energy):
    kernel = drawn(10, 8 * 9).view(10, 8, 3, 3)
    assert relative_error(kernel, factored(name, kernel, energy=energy)) <= 1 - energy + 1e-6


# Tucker and spatial -----------------------------------------------------------------------------------------


def factored(name: str, kernel: Tensor, groups: int = 1, **knobs: object) -> Factored:
    method = ALL[name]
    unrelated = torch.eye(kernel[0].numel(), dtype=torch.float64).expand(groups, -1, -1)
    vectors = {
        "low_rank": lambda: singular_vectors(kernel.flatten(1), groups),
        "whitened_low_rank": lambda: whitened_vectors(kernel.flatten(1), unrelated),
        "spatial": lambda: spatial_vectors(kernel, groups),
        "tucker": lambda: mode_vectors(kernel, groups),
    }
    return method.function(kernel, vectors[name](), **dict(method.validated(knobs)))


def relative_error(kernel: Tensor, factors: Factored, groups: int = 1) -> float:
    lost = composed([k.double() for k in factors.kernels], groups) - kernel
    return float(lost.square().sum() / kernel.double().square().sum())


def discarded(matrix: Tensor, rank: int) -> float:
    """Share of the squared singular values behind a rank."""
    squared = torch.linalg.svdvals(matrix.double()).square()
    return float(squared[rank:].sum() / squared.sum())


@pytest.mark.parametrize("positions", [(3, 3), (5,), (2, 2, 2)])
@pytest.mark.parametrize(("rank_in", "rank_out"), [(1, 1), (2, 6), (5, 3), (7, 9)])
def test_tucker_errs_no_more_than_its_modes_lose_and_no_less_than_either(positions, rank_in, rank_out):
    kernel = drawn(9, 7 * math.prod(positions), 5).view(9, 7, *positions)
    factors = factored("tucker", kernel, rank_in=rank_in, rank_out=rank_out)
    assert [k.shape[:2] for k in factors.kernels] == [(rank_in, 7), (rank_out, rank_in), (9, rank_out)]
    lost = [discarded(kernel.transpose(0, 1).flatten(1), rank_in), discarded(kernel.flatten(1), rank_out)]
    assert max(lost) - 1e-6 <= relative_error(kernel, factors) <= sum(lost) + 1e-6


@settings(max_examples=20)
@given(st.integers(0, 99), st.integers(1, 3), st.integers(1, 3))
def test_a_kernel_of_low_ranks_is_reproduced(seed, rank_in, rank_out):
    wide, core, narrow = (
        drawn(8, rank_out, seed),
        drawn(rank_out, rank_in * 9, seed + 1),
        drawn(rank_in, 6, seed),
    )
    kernel = composed(
        [narrow[:, :, None, None], core.view(rank_out, rank_in, 3, 3), wide[:, :, None, None]], groups=1
    )
    assert relative_error(kernel, factored("tucker", kernel, rank_in=rank_in, rank_out=rank_out)) < 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_sweeps_never_make_tucker_err_more(seed):
    kernel = drawn(12, 10 * 9, seed).view(12, 10, 3, 3)
    errors = [
        relative_error(kernel, factored("tucker", kernel, rank_in=3, rank_out=4, sweeps=n)) for n in range(5)
    ]
    assert all(after <= before + 1e-9 for before, after in itertools.pairwise(errors))
    assert errors[-1] < errors[0] * 0.999
    unasked = relative_error(kernel, factored("tucker", kernel, rank_in=3, rank_out=4))
    assert unasked == pytest.approx(errors[3])


@pytest.mark.parametrize("rank", [1, 2, 7, 12])
def test_spatial_errs_as_little_as_the_singular_values_allow(rank):
    kernel = drawn(6, 4 * 3 * 2, 3).view(6, 4, 3, 2)
    factors = factored("spatial", kernel, rank=rank)
    assert [tuple(k.shape) for k in factors.kernels] == [(rank, 4, 3, 1), (6, rank, 1, 2)]
    unfolded = kernel.permute(0, 3, 1, 2).reshape(12, 12)
    assert relative_error(kernel, factors) == pytest.approx(discarded(unfolded, rank), abs=1e-7)


@pytest.mark.parametrize("name", FACTORIZERS)
def test_a_grouped_convolution_is_factored_group_by_group(name):
    kernel = drawn(9, 4 * 6).view(9, 4, 3, 2)
    knobs = {"rank_in": 2, "rank_out": 2} if name == "tucker" else {"rank": 2}
    whole = composed(factored(name, kernel, 3, **knobs).kernels, 3)
    alone = [composed(factored(name, part, **knobs).kernels, 1) for part in kernel.split(3)]
    assert torch.allclose(whole, torch.cat(alone), atol=1e-5)


def test_a_chain_of_kernels_is_the_convolution_that_it_computes():
    kernels = [drawn(4, 6).view(4, 3, 2, 1), drawn(6, 6).view(6, 2, 1, 3), drawn(8, 3).view(8, 3, 1, 1)]
    items = drawn(2, 6 * 25).view(2, 6, 5, 5)
    chained = items
    for kernel in kernels:
        chained = nn.functional.conv2d(chained, kernel, groups=2)
    once = nn.functional.conv2d(items, composed(kernels, 2), groups=2)
    assert torch.allclose(chained, once, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "axes", "sentence"),
    [
        (
            "tucker",
            2,
            "A weight without kernel positions has no channels to be taken apart from them: factor",
        ),
        ("spatial", 2, "A weight of 2 axes has no height and width to be taken apart: factor a two-dim"),
        ("spatial", 3, "A weight of 3 axes has no height"),
    ],
)
def test_what_is_no_convolution_of_the_right_kind_is_refused(name, axes, sentence):
    with pytest.raises(Refused, match=sentence):
        factored(name, torch.ones((4,) * axes))


@pytest.mark.parametrize(
    ("name", "knobs", "sentence"),
    [
        ("tucker", {"rank_in": 9}, "A weight of 8 x 90 has rank 8 at most, but rank 9 was asked for: choose"),
        ("tucker", {"rank_out": 11}, "A weight of 10 x 72 has rank 10 at most, but rank 11"),
        ("spatial", {"rank": 25}, "A weight of 30 x 24 has rank 24 at most, but rank 25"),
    ],
)
def test_a_rank_that_a_convolution_cannot_have_is_refused(name, knobs, sentence):
    with pytest.raises(Refused, match=sentence):
        factored(name, drawn(10, 72).view(10, 8, 3, 3), **knobs)


def test_a_new_technique_is_declared_by_one_function():
    from compress_core.techniques.contract.technique import _declared

    def ternary(weight: Tensor, mask: Tensor) -> Quantized:
        """Round to three levels.

        weight, mask [out, in].

        Li et al. 2016, arXiv:1605.04711.
        """
        return Quantized(Table(torch.tensor([[-1.0, 0.0, 1.0]])))

    method = _declared(ternary)
    assert isinstance(method, Technique)
    assert (method.name, method.needs, method.source) == (
        "ternary",
        ("weight", "mask"),
        "Li et al. 2016, arXiv:1605.04711.",
    )
    (part,) = encoded(method, drawn(3, 4))
    assert_sound(part)


# Choosing channels ------------------------------------------------------------------------------------------


def test_geometric_median_goes_first_where_a_filter_lies_between_two_others():
    rows = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [9.0, 9.0]])
    scores = geometric_median([rows]).values
    assert scores.argmin() == 1
    squares = rows.square()
    distances = torch.cdist(squares, squares).sum(1)
    assert torch.allclose(scores, distances / distances.mean(), atol=1e-6)
    reads = torch.tensor([[3.0], [0.0], [5.0], [0.0]])
    both = (distances + torch.cdist(reads**2, reads**2).sum(1)) / 2
    assert torch.allclose(geometric_median([rows, reads]).values, both / both.mean(), atol=1e-6)


def test_channels_are_ordered_by_gain_by_mean_answer_and_by_share_of_zeros():
    values = torch.tensor([0.5, -2.0, 0.0, 1.0])
    assert batch_norm_scale(values).values.argsort().tolist() == [2, 0, 3, 1]
    assert mean_activation(values.abs()).values.argsort().tolist() == [2, 0, 3, 1]
    assert zero_activations(torch.tensor([0.1, 0.9, 0.5])).values.argsort().tolist() == [1, 2, 0]


@settings(max_examples=60)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.floats(0, 0.99), st.sampled_from([1, 2, 8]))
def test_units_of_groups_are_removed_in_exact_number_and_at_least_one_stays(sizes, share, multiple):
    generator = torch.Generator().manual_seed(sum(sizes))
    scores = [torch.rand(size, generator=generator).mul(4).round() for size in sizes]
    for scope in ("group", "network"):
        choice = GroupSelection(share_removed=share, scope=scope, multiple_of=multiple)
        mask = choose_units(scores, choice)
        for size, units, score in zip(sizes, mask, scores, strict=True):
            assert units.any()
            assert int(units.sum()) in {size, *range(multiple, size + 1, multiple)}
            assert score[units].min() >= (score[~units].max() if (~units).any() else -1)
        if scope == "group" and multiple == 1:
            expected = [max(1, size - round(share * size)) for size in sizes]
            assert [int(units.sum()) for units in mask] == expected
