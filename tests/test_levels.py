"""Levels: codes stand for values, both ways agree, the nearest is found exactly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compress_core.deliver.same_bits import same_bits
from compress_core.levels.exponential import Exponential, exponential_levels
from compress_core.levels.grid import Grid, affine_grid, symmetric_grid
from compress_core.levels.scaled_table import ScaledTable
from compress_core.levels.spread import spread
from compress_core.levels.table import Table
from compress_core.numerics.nearest import nearest_into, upper_ends


def drawn(rows: int, inputs: int) -> torch.Tensor:
    return torch.randn(rows, inputs, generator=torch.Generator().manual_seed(0))


LEVELS = {
    "grid": symmetric_grid(torch.tensor([[2.0]]), 3),
    "grid, rows": symmetric_grid(torch.tensor([[2.0], [1.0], [0.0]]), 4),
    "grid, groups that divide": symmetric_grid(drawn(3, 2).abs(), 4, 6),
    "grid, groups that do not": symmetric_grid(drawn(3, 3).abs(), 4, 5),
    "affine": affine_grid(torch.tensor([[-1.0]]), torch.tensor([[2.0]]), 3),
    "affine, groups": affine_grid(-drawn(3, 3).abs(), torch.ones(3, 3), 5, 5),
    "powers": exponential_levels(torch.tensor([[1.6]]), 4),
    "powers, rows": exponential_levels(torch.tensor([[1.6], [0.1], [0.0]]), 3),
    "powers, groups": exponential_levels(drawn(3, 3).abs(), 3, 5),
    "table": Table(torch.tensor([[-1.0, 0.2, 0.25, 4.0]])),
    "table, rows": Table(drawn(3, 4).sort(dim=1).values),
    "scaled table": ScaledTable(torch.tensor([-1.0, -0.2, 0.0, 0.3, 1.0]), torch.tensor([[2.0]])),
    "scaled table, rows": ScaledTable(torch.tensor([-0.5, 0.0, 1.0]), torch.tensor([[2.0], [1e-38], [1e38]])),
    "scaled table, groups": ScaledTable(torch.tensor([-1.0, 0.1, 0.3]), drawn(3, 3).abs(), 5),
    "table of one": Table(torch.tensor([[0.5]])),
}


@pytest.mark.parametrize("name", LEVELS)
def test_quantizing_is_encoding_and_decoding(name):
    levels, weight = LEVELS[name], drawn(3, 12)
    codes = levels.encode(weight)
    assert levels.low <= int(codes.min()) <= int(codes.max()) <= levels.high
    assert (levels.high - levels.low).bit_length() <= levels.code_bits
    before = weight.clone()
    out = levels.quantize_into(weight, torch.empty_like(weight))
    assert torch.equal(out, levels.decode(codes))
    assert torch.equal(weight, before)


@pytest.mark.parametrize("name", LEVELS)
def test_codes_survive_decoding(name):
    levels, codes = LEVELS[name], LEVELS[name].encode(drawn(3, 12))
    before = codes.clone()
    assert torch.equal(levels.encode(levels.decode(codes)), codes)
    assert torch.equal(codes, before)


@pytest.mark.parametrize("name", LEVELS)
def test_listed_levels_ascend_and_include_what_a_row_takes(name):
    levels = LEVELS[name]
    listed = levels.levels(1)
    assert len(listed) == levels.high - levels.low + 1
    assert (listed.diff() > 0).all()
    if getattr(levels, "group", None) is None:
        taken = levels.quantize_into(drawn(3, 12), torch.empty(3, 12))[1]
        assert all(any(value == level for level in listed) for value in taken)


@pytest.mark.parametrize("name", [n for n, levels in LEVELS.items() if levels.has_zero])
def test_zero_is_a_level_and_stays_zero(name):
    zeros = torch.zeros(3, 12)
    assert torch.equal(LEVELS[name].quantize_into(zeros, torch.ones(3, 12)), zeros)


@pytest.mark.parametrize("name", LEVELS)
def test_what_is_evaluated_is_what_codes_decode_to_with_the_sign_of_zero(name):
    levels = LEVELS[name]
    weight = drawn(3, 12)
    weight[:, ::3] *= -1e-6
    weight[0, 0] = -0.0
    evaluated = levels.quantize_into(weight, torch.empty_like(weight))
    assert same_bits(evaluated, levels.decode(levels.encode(weight).to(torch.int32)))
    assert not torch.signbit(evaluated[evaluated == 0]).any()


def test_a_comparison_of_bits_sees_the_sign_of_a_zero_and_takes_nan_for_nan():
    one = torch.tensor([0.0, torch.nan])
    assert same_bits(one, one.clone())
    assert not same_bits(one, torch.tensor([-0.0, torch.nan]))
    assert not same_bits(one, one.double())
    assert same_bits(torch.ones(2, 3).T, torch.ones(3, 2))


def test_a_grid_in_blocks_equals_a_grid_at_once():
    weight = drawn(500, 700)
    for grid in (
        symmetric_grid(weight.abs().amax(1, keepdim=True), 4),
        affine_grid(weight.amin(1, keepdim=True), weight.amax(1, keepdim=True), 4),
        symmetric_grid(torch.tensor([[3.0]]), 4),
    ):
        codes = torch.round(weight * (1 / grid.scale)) + (0 if grid.zero_point is None else grid.zero_point)
        expected = (
            codes.clamp(grid.low, grid.high) - (0 if grid.zero_point is None else grid.zero_point)
        ) * grid.scale
        assert torch.equal(grid.quantize_into(weight, torch.empty_like(weight)), expected)


def test_integers_within_the_range_survive_unchanged():
    weight = torch.arange(-7.0, 8.0)[None]
    assert torch.equal(
        symmetric_grid(torch.tensor([[7.0]]), 4).quantize_into(weight, torch.empty_like(weight)), weight
    )


def test_a_group_value_is_spread_over_its_inputs():
    assert spread(torch.tensor([[1.0, 2.0]]), 3, 2).tolist() == [[1, 1, 2]]


def test_a_grid_by_hand():
    grid = Grid(torch.tensor([[0.5]]), 0, 7, torch.tensor([[3.0]]))
    assert grid.encode(torch.tensor([[-9.0, -0.3, 0.0, 1.1, 9.0]])).tolist() == [[0, 2, 3, 5, 7]]
    assert grid.decode(torch.tensor([[0, 2, 3, 5, 7]])).tolist() == [[-1.5, -0.5, 0, 1, 2]]


def test_powers_of_two_by_hand():
    powers = Exponential(torch.tensor([[0]]), 3)
    weight = torch.tensor([[0.0, 0.12, 0.125, 0.37, 0.375, 0.7, 0.75, 9.0, -0.13, -0.8]])
    assert powers.quantize_into(weight, torch.empty_like(weight)).tolist() == [
        [0, 0, 0.25, 0.25, 0.5, 0.5, 1, 1, -0.25, -1]
    ]


finite = st.floats(-(2.0**99), 2.0**99, width=32)


@settings(max_examples=60)
@given(
    st.lists(finite, min_size=1, max_size=20),
    st.lists(finite, min_size=1, max_size=9, unique=True),
)
def test_the_nearest_level_of_a_table_is_that_of_brute_force(values, levels):
    weight, table = torch.tensor([values]), torch.tensor([sorted(levels)])
    found = Table(table).quantize_into(weight, torch.empty_like(weight))
    best = (weight.double().T - table.double()).abs().min(dim=1).values
    assert torch.equal((weight.double() - found.double()).abs()[0], best)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([3, 16, 255]), st.sampled_from([1e-12, 1.0, 1e12]))
def test_many_weights_find_the_level_that_a_search_for_each_finds(seed, count, size):
    generator = torch.Generator().manual_seed(seed)
    levels = (torch.randn(count, generator=generator) ** 3 * size).sort().values
    weight = torch.randn(200, 200, generator=generator) * size
    weight.view(-1)[: count - 1] = upper_ends(levels)
    weight.view(-1)[count : 2 * count - 1] = torch.nextafter(upper_ends(levels), torch.tensor(torch.inf))
    meaning = torch.arange(count, dtype=torch.float32)
    found = nearest_into(weight, levels, meaning, torch.empty_like(weight))
    exact = torch.bucketize(weight.double(), (levels[1:].double() + levels[:-1].double()) / 2)
    assert torch.equal(found.long(), exact)
