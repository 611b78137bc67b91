"""Intervals and tests of counts against peers, published values and theorems."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom, binomtest, norm, t

from compress_core.numerics.intervals import (
    holm,
    lost_share,
    mcnemar_exact,
    score_variance,
    tango,
    tango_of_each,
    two_sided,
    wilson,
)
from compress_core.numerics.mean_interval import of_mean


@st.composite
def flips(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 10_000))
    gained = draw(st.integers(0, n))
    return gained, draw(st.integers(0, n - gained)), n


@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_wilson_equals_scipy_but_for_the_end_next_to_a_rare_share(n: int, share: float, level: float) -> None:
    k = round(share * n)
    peer = binomtest(k, n).proportion_ci(level, method="wilson")
    low, high = map(float, wilson(k, n, level))
    if not 0 < k <= 3:
        assert low == pytest.approx(peer.low, abs=1e-12)
    if not 0 < n - k <= 3:
        assert high == pytest.approx(peer.high, abs=1e-12)
    assert low <= peer.low + 1e-12
    assert high >= peer.high - 1e-12


@pytest.mark.parametrize("n", [20, 200, 6000])
def test_the_interval_of_a_share_covers_rare_ones_too(n: int) -> None:
    """Wilson's own covers 0.17 / n with 84 %."""
    counts = np.arange(n + 1)
    low, high = wilson(counts, n)
    for expected in (0.05, 0.17, 0.4, 1.1, 2.0, 3.0):
        share = expected / n
        chances = binom.pmf(counts, n, share)
        assert chances[(low <= share) & (share <= high)].sum() > 0.915
        mirrored = (1 - high[::-1] <= share) & (share <= 1 - low[::-1])
        assert chances[mirrored].sum() > 0.915


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


def test_intervals_of_changes_that_hold_together_are_tangos_at_a_higher_level() -> None:
    gained, lost, n = np.array([0, 3, 50, 1]), np.array([0, 9, 0, 30]), np.array([20, 100, 900, 100])
    together, each = tango_of_each(gained, lost, n), tango(gained, lost, n, 1 - 0.05 / 4)
    assert together.low.tolist() == each.low.tolist()
    assert together.high.tolist() == each.high.tolist()
    one, alone = tango_of_each([2], [9], [100]), tango(2, 9, 100)
    assert (float(one.low[0]), float(one.high[0])) == (float(alone.low), float(alone.high))


@pytest.mark.slow
def test_ten_classes_without_a_change_all_have_0_in_their_intervals_19_times_of_20() -> None:
    """Each alone at 95 % they do in 58 of 100 comparisons."""
    drawn = np.random.default_rng(8).multinomial(600, [0.015, 0.015, 0.97], size=(400, 10))
    held = [tango_of_each(case[:, 0], case[:, 1], np.full(10, 600)) for case in drawn]
    assert np.mean([bool(((low <= 0) & (high >= 0)).all()) for low, high in held]) > 0.94


@pytest.mark.slow
def test_a_class_that_lost_nearly_everything_is_held_as_well() -> None:
    """In half of them one item stays on average every other time; scores alone hold all in 7 of 10 cases."""
    generator, shares = np.random.default_rng(9), np.array([1, 0.5 / 600] * 5)
    kept = generator.binomial(600, shares, size=(400, 10))
    held = [tango_of_each(np.zeros(10), 600 - case, np.full(10, 600)) for case in kept]
    truth = shares - 1
    assert np.mean([bool(((low <= truth) & (truth <= high)).all()) for low, high in held]) > 0.94


@pytest.mark.parametrize("n", [500, 2000])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_interval_of_a_mean_holds_where_one_value_in_a_hundred_makes_up_most_of_it(
    n: int, sign: int
) -> None:
    """Logistic(2.5 normal - 10), a few items changed by much; the normal interval holds in 8 of 10 at 500."""
    generator = np.random.default_rng(3)
    everything = sign * expit(2.5 * norm.ppf((np.arange(6000) + 0.5) / 6000) - 10)
    assert np.abs(everything)[-60:].sum() > 0.5 * np.abs(everything).sum()
    samples = everything[generator.integers(0, 6000, (400, n))]
    bounds = [of_mean(sample) for sample in samples]
    assert np.mean([b is not None and b.low <= everything.mean() <= b.high for b in bounds]) > 0.925


def test_the_interval_of_a_mean_of_normal_values_is_students() -> None:
    values = norm.ppf((np.arange(400) + 0.5) / 400)
    bounds = of_mean(values)
    assert bounds is not None
    peer = t.interval(0.95, 399, values.mean(), values.std(ddof=1) / 20)
    assert (float(bounds.low), float(bounds.high)) == pytest.approx(peer, rel=2e-3)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.floats(1e-150, 1e150))
def test_the_interval_of_a_mean_scales_with_the_unit_and_mirrors_with_the_sign(
    values: list[float], unit: float
) -> None:
    array = np.array(values)
    assume(np.ptp(array) > 1e-3)
    bounds, other = of_mean(array), of_mean(-unit * array)
    assert bounds is not None
    assert other is not None
    assert bounds.low <= array.mean() <= bounds.high
    assert (-float(other.high) / unit, -float(other.low) / unit) == pytest.approx(
        (float(bounds.low), float(bounds.high)), rel=1e-6, abs=1e-9
    )


@pytest.mark.parametrize("values", [[0.3], [0.0, 0.0, 0.0]], ids=["one item", "no spread"])
def test_no_interval_of_a_mean_without_a_spread(values: list[float]) -> None:
    assert of_mean(np.array(values)) is None
