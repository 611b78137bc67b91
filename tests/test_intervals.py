"""Intervals and tests of counts against peers, published values and theorems."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from compress_core.numerics.intervals import (
    holm,
    lost_share,
    mcnemar_exact,
    of_mean,
    score_variance,
    tango,
    two_sided,
    wilson,
)


@st.composite
def flips(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 10_000))
    gained = draw(st.integers(0, n))
    return gained, draw(st.integers(0, n - gained)), n


@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_wilson_equals_scipy(n: int, share: float, level: float) -> None:
    k = round(share * n)
    peer = binomtest(k, n).proportion_ci(level, method="wilson")
    low, high = wilson(k, n, level)
    assert (float(low), float(high)) == pytest.approx((peer.low, peer.high), abs=1e-12)


def test_wilson_of_a_table_equals_wilson_of_each_row() -> None:
    successes, n = np.array([0, 3, 10, 0]), np.array([5, 7, 10, 0])
    table = wilson(successes, n)
    rows = [wilson(*row) for row in zip(successes, n, strict=True)]
    assert table.low.tolist() == [float(row.low) for row in rows]
    assert table.high.tolist() == [float(row.high) for row in rows]


def test_wilson_of_no_items_knows_nothing() -> None:
    low, high = wilson(0, 0)
    assert (float(low), float(high)) == (0.0, 1.0)


def test_tango_gives_the_lower_limit_printed_in_his_paper() -> None:
    """Section 6.1, soft contact lenses: 0 gained, 1 lost of 44; 90 % lower limit -0.096."""
    assert round(float(tango(0, 1, 44, level=0.90).low), 3) == -0.096


def test_the_score_statistic_is_the_one_printed_in_tangos_paper() -> None:
    """Section 6.1: Z = 1.709 for a margin of 0.1."""
    statistic = (0 - 1 + 44 * 0.1) / np.sqrt(score_variance(0, 1, 44, -0.1))
    assert round(float(statistic), 3) == 1.709


def test_tango_gives_the_interval_published_for_airway_reactivity() -> None:
    """Fagerland, Lydersen and Laake 2014: 1 and 7 discordant of 21 give -0.517 to -0.026."""
    low, high = tango(1, 7, 21)
    assert (round(float(low), 3), round(float(high), 3)) == (-0.517, -0.026)


def test_tango_gives_the_interval_of_the_r_package_propcis() -> None:
    """scoreci.mp(25, 28, 618, 0.90), whose second count is the gained one."""
    low, high = tango(28, 25, 618, level=0.90)
    assert (round(float(low), 4), round(float(high), 4)) == (-0.0148, 0.0247)


@given(flips(), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_bounds_of_tango_solve_the_score_equation(case: tuple[int, int, int], level: float) -> None:
    gained, lost, n = case
    for bound in map(float, tango(gained, lost, n, level)):
        if abs(bound) < 1:
            distance = (gained - lost - n * bound) ** 2
            limit = two_sided(level) ** 2 * float(score_variance(gained, lost, n, bound))
            assert distance == pytest.approx(limit, rel=1e-6, abs=1e-9)


@given(flips())
def test_the_score_variance_takes_the_likeliest_share_of_lost_items(case: tuple[int, int, int]) -> None:
    gained, lost, n = case
    for change in (-0.9, -0.3, -0.01, 0.02, 0.5):
        likeliest = (float(score_variance(gained, lost, n, change)) / n - change * (1 - change)) / 2
        least, most = max(0.0, -change), (1 - change) / 2
        assert least - 1e-9 <= likeliest <= most + 1e-9
        reached = _log_likelihood(np.array([likeliest]), change, case)[0]
        assert reached >= _log_likelihood(np.linspace(least, most, 301), change, case).max() - 1e-4


def _log_likelihood(lost_shares: np.ndarray, change: float, case: tuple[int, int, int]) -> np.ndarray:
    gained, lost, n = case
    shares = [lost_shares + change, lost_shares, 1 - 2 * lost_shares - change]
    counts = [gained, lost, n - gained - lost]
    terms = [k * np.log(np.maximum(p, 1e-300)) for k, p in zip(counts, shares, strict=True) if k]
    total: np.ndarray = np.sum(terms, axis=0)
    return total


@given(flips())
def test_swapping_the_models_mirrors_tango(case: tuple[int, int, int]) -> None:
    gained, lost, n = case
    there, back = tango(gained, lost, n), tango(lost, gained, n)
    assert float(there.low) == -float(back.high)
    assert float(there.high) == -float(back.low)


@given(flips())
def test_tango_holds_the_change_and_is_never_empty(case: tuple[int, int, int]) -> None:
    gained, lost, n = case
    low, high = map(float, tango(gained, lost, n))
    assert -1 <= low <= (gained - lost) / n <= high <= 1
    assert low < high


@given(st.integers(1, 100_000), st.sampled_from([0.9, 0.95, 0.99]))
def test_without_a_changed_item_tango_is_z2_over_n_plus_z2(n: int, level: float) -> None:
    square = two_sided(level) ** 2
    low, high = map(float, tango(0, 0, n, level))
    assert (low, high) == pytest.approx((-square / (n + square), square / (n + square)), rel=1e-9)


@pytest.mark.parametrize(
    ("gained", "lost", "n"),
    [(0.01, 0.02, 300), (0.0, 0.01, 1000), (0.1, 0.1, 50), (0.002, 0.002, 2000)],
    ids=str,
)
def test_tango_covers_the_true_change_about_95_times_of_100(gained: float, lost: float, n: int) -> None:
    drawn = np.random.default_rng(7).multinomial(n, [gained, lost, 1 - gained - lost], size=20_000)
    low, high = tango(drawn[:, 0], drawn[:, 1], n)
    assert 0.935 < np.mean((low <= gained - lost) & (gained - lost <= high)) < 0.985


def test_tango_of_a_table_equals_tango_of_each_row() -> None:
    gained, lost, n = np.array([0, 3, 50]), np.array([0, 9, 0]), np.array([20, 100, 50])
    low, high = tango(gained, lost, n)
    for row, case in enumerate(zip(gained, lost, n, strict=True)):
        assert (low[row], high[row]) == tuple(map(float, tango(*case)))


@given(flips())
def test_the_share_of_lost_items_is_read_back_from_an_interval(case: tuple[int, int, int]) -> None:
    gained, lost, n = case
    change = (gained - lost) / n
    for bound in map(float, tango(gained, lost, n)):
        if abs(bound) < 0.999:
            assert lost_share(change, bound, n) == pytest.approx(lost / n, abs=1e-6)


@pytest.mark.parametrize(("gained", "lost"), list(product([0, 1, 5, 30, 400], repeat=2)), ids=str)
def test_mcnemar_equals_the_binomial_test_of_scipy(gained: int, lost: int) -> None:
    peer = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert float(mcnemar_exact(gained, lost)) == pytest.approx(peer, rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_equals_its_slow_definition(p_values: list[float]) -> None:
    m = len(p_values)
    order = sorted(range(m), key=lambda i: p_values[i])
    slow = [
        min(1.0, max((m - rank) * p_values[order[rank]] for rank in range(order.index(i) + 1)))
        for i in range(m)
    ]
    assert holm(p_values).tolist() == slow


def test_holm_gives_the_values_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_value_nor_swaps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert np.all(adjusted >= p_values)
    assert np.all(np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0)


def test_the_interval_of_a_mean_covers_it_about_95_times_of_100() -> None:
    samples = np.random.default_rng(3).exponential(2.0, size=(2000, 500))
    bounds = [of_mean(sample) for sample in samples]
    assert 0.93 < np.mean([b is not None and b.low <= 2.0 <= b.high for b in bounds]) < 0.965


@pytest.mark.parametrize("values", [[0.3], [0.0, 0.0, 0.0]], ids=["one item", "no spread"])
def test_no_interval_of_a_mean_without_a_spread(values: list[float]) -> None:
    assert of_mean(np.array(values)) is None
