"""PASS, FAIL, UNDECIDED and NOT MEASURED: where an interval lies, and how often a review is wrong."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress_core.foundation.number import Number
from compress_core.measure.behavior.metrics.accuracy_change import change_of_counts
from compress_core.numerics.intervals import tango, wilson
from compress_core.numerics.paired_ratio import share_ratio
from compress_core.reviews.gate import Gate
from compress_core.reviews.gate_verdict import (
    JudgedGate,
    Outcome,
    deciding,
    exit_code,
    judged_gate,
    outcome_of,
    overall,
)

PASS, FAIL, UNDECIDED, NOT_MEASURED = Outcome
CHANGE = Gate(measure="accuracy_change", limit=-0.3)
CHURN = Gate(measure="churn", limit=0.02)
REVIEWS = 1000


def points(low: float, high: float) -> Number:
    return Number((low + high) / 2, "points", "measured", low, high, 1000)


@pytest.mark.parametrize(
    ("low", "high", "higher", "lower"),
    [
        (0.5, 0.9, PASS, FAIL),
        (0.1, 0.2, FAIL, PASS),
        (0.1, 0.9, UNDECIDED, UNDECIDED),
        (0.3, 0.9, PASS, UNDECIDED),  # the limit itself is allowed
        (0.1, 0.3, UNDECIDED, PASS),
    ],
)
def test_the_whole_interval_decides(low: float, high: float, higher: Outcome, lower: Outcome) -> None:
    number = points(low, high)
    assert outcome_of(number, 0.3, "higher") is higher
    assert outcome_of(number, 0.3, "lower") is lower


@settings(max_examples=50, deadline=None)
@given(st.floats(-5, 5), st.floats(0, 5), st.floats(-5, 5))
def test_the_two_sides_mirror_each_other(low: float, width: float, limit: float) -> None:
    number, mirrored = points(low, low + width), points(-low - width, -low)
    assert outcome_of(number, limit, "higher") is outcome_of(mirrored, -limit, "lower")


def test_what_is_not_measured_or_estimated_or_has_no_interval_never_passes() -> None:
    missing = Number.missing("points", "The items have no labels.")
    bare = Number(5.0, "points", "measured", n=10, no_interval="too few")
    guessed = Number(5.0, "points", "estimated", 4.0, 6.0, 10)
    assert {outcome_of(n, -0.3, "higher") for n in (missing, bare, guessed)} == {NOT_MEASURED}


def test_exact_numbers_are_compared_as_they_are() -> None:
    gate = Gate(measure="plain_file_bytes", limit=1000)
    found = [judged_gate(gate, Number(float(size), "byte", "exact")).outcome for size in (999, 1000, 1001)]
    assert found == [PASS, PASS, FAIL]


def as_judged(*outcomes: tuple[Outcome, bool]) -> list[JudgedGate]:
    gate = {required: Gate(measure="churn", limit=0.1, required=required) for required in (True, False)}
    return [JudgedGate(gate[required], points(0, 1), outcome) for outcome, required in outcomes]


@pytest.mark.parametrize(
    ("outcomes", "verdict", "code", "allowed"),
    [
        ([], NOT_MEASURED, 3, 3),
        ([(PASS, False)], NOT_MEASURED, 3, 3),
        ([(PASS, True)], PASS, 0, 0),
        ([(PASS, True), (FAIL, False)], PASS, 0, 0),
        ([(PASS, True), (FAIL, True), (UNDECIDED, True)], FAIL, 1, 1),
        ([(PASS, True), (UNDECIDED, True)], UNDECIDED, 3, 0),
        ([(PASS, True), (NOT_MEASURED, True)], NOT_MEASURED, 3, 0),
        ([(NOT_MEASURED, True)], NOT_MEASURED, 3, 3),
        ([(UNDECIDED, True), (NOT_MEASURED, True)], UNDECIDED, 3, 0),
    ],
)
def test_required_gates_together(
    outcomes: list[tuple[Outcome, bool]], verdict: Outcome, code: int, allowed: int
) -> None:
    judged = as_judged(*outcomes)
    assert overall(judged) is verdict
    assert (exit_code(judged), exit_code(judged, allow_undecided=True)) == (code, allowed)
    assert all(each.outcome is verdict and each.gate.required for each in deciding(judged))


# How often a review is wrong: 1,000 reviews each, of models whose true shares are known


def reviewed(change: float, discordant: float, n: int) -> list[Outcome]:
    """1,000 reviews of models that truly change by so many points, with so large a share of changed items."""
    gained = (discordant + change / 100) / 2
    won, gone, _ = (
        np.random.default_rng(0).multinomial(n, [gained, discordant - gained, 1 - discordant], size=REVIEWS).T
    )
    low, high = tango(won, gone, n).times(100)
    numbers = (points(float(a), float(b)) for a, b in zip(low, high, strict=True))
    return [outcome_of(number, CHANGE.limit, "higher") for number in numbers]


def share(outcomes: list[Outcome], outcome: Outcome) -> float:
    return outcomes.count(outcome) / len(outcomes)


CASES = [(0.005, 500), (0.005, 5000), (0.02, 2000), (0.02, 20_000), (0.1, 6000)]


@pytest.mark.parametrize(("discordant", "n"), CASES)
def test_a_model_that_is_truly_worse_than_the_margin_hardly_ever_passes(discordant: float, n: int) -> None:
    assert share(reviewed(-0.4, discordant, n), PASS) <= 0.05


@pytest.mark.parametrize(("discordant", "n"), CASES)
def test_an_equal_model_hardly_ever_fails(discordant: float, n: int) -> None:
    assert share(reviewed(0.0, discordant, n), FAIL) <= 0.05


@pytest.mark.parametrize("discordant", [0.01, 0.05])
def test_nine_of_ten_reviews_decide_on_as_many_items_as_are_named(discordant: float) -> None:
    changed = round(discordant * 500)
    first = judged_gate(CHANGE, change_of_counts(changed, changed, 1000))
    assert (first.outcome, first.items_to_decide is None) == (UNDECIDED, False)
    again = reviewed(0.0, discordant, first.items_to_decide or 0)
    assert share(again, UNDECIDED) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(("rate", "limit"), [(0.01, 0.02), (0.05, 0.04)])
def test_the_same_holds_for_a_share(rate: float, limit: float) -> None:
    low, high = wilson(round(rate * 300), 300)
    seen = Number(rate, "share", "measured", float(low), float(high), 300)
    first = judged_gate(Gate(measure="churn", limit=limit), seen)
    assert (first.outcome, first.items_to_decide is None) == (UNDECIDED, False)
    needed = first.items_to_decide or 0
    lows, highs = wilson(np.random.default_rng(1).binomial(needed, rate, size=REVIEWS), needed)
    assert np.mean((lows <= limit) & (limit <= highs)) == pytest.approx(0.1, abs=0.03)


def test_an_interval_of_another_kind_narrows_with_the_root_of_the_items() -> None:
    gate = Gate(measure="ece", limit=0.03)
    seen = [judged_gate(gate, Number(0.02, "share", "measured", 0.0, 0.04, n)) for n in (100, 200)]
    needed = [each.items_to_decide or 0 for each in seen]
    assert needed[0] == pytest.approx(100 * (2 * (1.96 + 1.2816) / 1.96) ** 2, rel=0.01)
    assert needed[1] == pytest.approx(2 * needed[0], abs=1)


@pytest.mark.parametrize(
    ("gate", "seen"),
    [
        (Gate(measure="attribution_similarity", limit=0.5), (0.5, 0.31, 0.62)),  # narrows with the root
        (Gate(measure="churn", limit=0.3), (0.3, 0.2, 0.4)),  # a share
        (Gate(measure="accuracy_change", limit=-0.3), (-0.3, -1.5, 0.9)),  # paired
    ],
    ids=lambda gate: str(getattr(gate, "measure", "")),
)
def test_what_lies_on_the_limit_but_for_rounding_is_decided_by_no_number_of_items(
    gate: Gate, seen: tuple[float, float, float]
) -> None:
    value, low, high = seen
    unit = "points" if gate.measure == "accuracy_change" else "share"
    for beside in (-1e-9, -1e-16, -math.ulp(value), 0.0, math.ulp(value), 1e-16, 1e-9):
        judged = judged_gate(gate, Number(value + beside, unit, "measured", low, high, 100))
        assert (judged.outcome, judged.items_to_decide) == (UNDECIDED, None)
    near = judged_gate(gate, Number(value + 1e-3, unit, "measured", low, high, 100))
    assert near.items_to_decide is not None
    assert near.items_to_decide > 100


def test_no_number_of_items_is_named_where_more_tell_nothing() -> None:
    on_the_limit = Number(0.02, "share", "measured", 0.01, 0.03, 500)
    assert judged_gate(CHURN, on_the_limit).items_to_decide is None
    slow = Number(3.0, "ms", "measured", 2.0, 4.0, 8)
    assert judged_gate(Gate(measure="latency_ms", limit=3.1), slow).items_to_decide is None
    decided = judged_gate(CHURN, Number(0.01, "share", "measured", 0.005, 0.015, 500))
    assert (decided.outcome, decided.items_to_decide) == (PASS, None)


# The share that is kept


@pytest.mark.parametrize(
    ("n", "accuracy", "lost"), [(500, 0.9, 0.03), (2000, 0.98, 0.01), (10_000, 0.7, 0.05)]
)
def test_the_interval_of_a_kept_share_holds_the_truth_in_19_of_20_reviews(
    n: int, accuracy: float, lost: float
) -> None:
    gained = 0.6 * lost
    shares = [accuracy - lost, gained, lost, 1 - accuracy - gained]
    both, won, gone, _ = np.random.default_rng(2).multinomial(n, shares, size=4000).T
    low, high = share_ratio(both, won, gone)
    truth = (accuracy - lost + gained) / accuracy
    assert np.mean((low <= truth) & (truth <= high)) == pytest.approx(0.95, abs=0.012)


def test_a_kept_share_has_an_interval_where_no_item_changed_and_none_is_right() -> None:
    low, high = share_ratio(1000, 0, 0)
    assert 0.99 < low < 1 < high < 1.01
    assert [float(end) for end in share_ratio(0, 0, 0)] == [0.0, np.inf]


def test_the_verdict_is_read_off_the_interval_that_is_shown() -> None:
    z = NormalDist().inv_cdf(0.975)
    number = change_of_counts(0, 0, 10_000)
    assert number.low == pytest.approx(-100 * z**2 / (10_000 + z**2))
    assert judged_gate(CHANGE, number).outcome is PASS
    assert judged_gate(CHANGE, change_of_counts(0, 0, 1000)).outcome is UNDECIDED
