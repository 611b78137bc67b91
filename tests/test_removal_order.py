"""When each weight goes: told from sizes in order alone, as from the place of every weight."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from compress_core.measure.tables import removal_order
from compress_core.measure.tables.removal_order import _BySize, _cumulated, _gone_at
from compress_core.numerics.value_bins import kept_in_bins, value_bins

_FEW = st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0, -2.0, 3e-40, float(np.finfo(np.float32).max)])
_WEIGHTS = arrays.arrays(np.float32, st.integers(1, 40), elements=_FEW | st.floats(-4, 4, width=32))


def assert_sizes_tell_what_places_tell(values: np.ndarray, shares: list[float]) -> None:
    weight = torch.from_numpy(values)[None]
    by_size, places = _BySize(weight), _gone_at(weight.abs(), by_row=False)
    removed = np.sort([round(share * len(values)) for share in shares])
    assert by_size.gone_from(removed).tolist() == np.searchsorted(removed, places.reshape(-1)).tolist()
    lost = [by_size.lost[count] for count in range(len(values) + 1)]
    assert lost == _cumulated(places, weight.double().square().numpy()).tolist()


def test_sizes_in_order_tell_what_the_place_of_a_weight_tells_where_some_are_alike() -> None:
    for values in ([1.0], [0.5, -0.5, 0.0, -0.0, 3.0, 0.5, 3e-40], [-2.0, 1.0, -1.0, 2.0, 0.25]):
        assert_sizes_tell_what_places_tell(np.array(values, np.float32), [0.0, 0.3, 0.5, 0.5, 0.8, 1.0])


@pytest.mark.slow
@settings(max_examples=300)
@given(_WEIGHTS, st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_sizes_in_order_tell_what_the_place_of_every_weight_tells(
    values: np.ndarray, shares: list[float]
) -> None:
    assert_sizes_tell_what_places_tell(values, shares)


@pytest.mark.parametrize("count", [255, 256, 257, 5000])
@pytest.mark.parametrize("block", [100, 333, 2**20])
def test_sums_of_which_few_are_kept_are_those_of_adding_up_bit_for_bit(
    count: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal_order, "_BLOCK", block)
    by_size = _BySize(torch.randn(1, count, generator=torch.Generator().manual_seed(count)))
    expected = np.cumsum(np.append(0.0, by_size.ascending.astype(np.float64) ** 2))
    assert [by_size.lost[at] for at in range(count + 1)] == expected.tolist()
    assert by_size.lost[-1] == expected[-1]


def test_an_order_by_size_holds_one_number_of_32_bits_for_a_weight_and_little_more() -> None:
    weight = torch.randn(300, 1000, generator=torch.Generator().manual_seed(1))
    assert _BySize(weight).nbytes <= 4.1 * weight.numel()


def test_bins_are_the_same_whether_values_are_taken_at_once_or_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(2).normal(size=5000).astype(np.float32)
    values[::700] = np.nan
    values[1] = 1e9
    gone = np.random.default_rng(3).integers(0, 8, 5000)
    whole = value_bins(values)
    table = kept_in_bins(whole, gone, 7)
    monkeypatch.setattr("compress_core.numerics.value_bins._BLOCK", 333)
    monkeypatch.setattr(removal_order, "_BLOCK", 333)
    parts = value_bins(values)
    assert np.array_equal(parts.of, whole.of)
    assert np.array_equal(parts.edges, whole.edges)
    assert (parts.beyond, parts.broken) == (whole.beyond, whole.broken) == (1, 8)
    assert np.array_equal(kept_in_bins(parts, gone, 7), table)
    by_size = _BySize(torch.from_numpy(np.nan_to_num(values)))
    assert by_size.gone_from(np.array([0, 100, 5000])).max() == 2


def test_the_reach_of_bins_is_that_of_the_quantile_of_all_values_in_double_precision() -> None:
    for seed in range(20):
        values = np.random.default_rng(seed).standard_t(2, size=1000 + 37 * seed).astype(np.float32)
        sizes = np.abs(values.astype(np.float64))
        usual = float(np.quantile(sizes, 0.999))
        reach = float(sizes.max()) if sizes.max() <= 20 * usual else 2 * usual
        assert value_bins(values).edges[-1] == reach
