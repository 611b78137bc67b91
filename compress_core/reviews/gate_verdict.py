"""PASS, FAIL or UNDECIDED: a number with its interval against the limit of a gate, and all gates together.

The interval is the two-sided one of 95 % that stands beside every number. A model that is as bad as the limit
allows, or worse, then passes a gate in at most 2.5 % of the reviews, and one that is as good as the limit or
better fails in at most 2.5 %. A one-sided interval would need a fifth fewer items and promise 5 %; but then a
verdict would not be read off the interval that is shown, and a review of several gates has no room to spare.

Where all required gates must pass, no correction is needed: a model that violates one limit passes all gates
no more often than that one.

Berger 1982, Technometrics 24, 295-300 (intersection-union tests).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Literal

from compress_core.foundation.number import Number
from compress_core.measure.behavior.compare import SURELY, count_to_decide, items_to_decide
from compress_core.numerics.intervals import two_sided
from compress_core.reviews.gate import Gate
from compress_core.reviews.measure import BetterSide, Narrowing, review_measures


class Outcome(StrEnum):
    """What a review says of a gate, or of all."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class JudgedGate:
    """A gate with what was measured: whether it holds, and where that is open, how many items would decide.

    items_to_decide: with so many 9 of 10 reviews would decide, if what was seen is the truth; None where the
    outcome stands, where more items tell nothing, and where the value lies on the limit but for rounding.
    """

    gate: Gate
    number: Number
    outcome: Outcome
    items_to_decide: int | None = None


def judged_gate(gate: Gate, number: Number) -> JudgedGate:
    """PASS where the whole interval clears the limit, FAIL where all of it violates it, else UNDECIDED.

    What was counted exactly has no interval and is compared as it is. What was measured without an interval
    cannot be judged: it counts as not measured.
    """
    measure = review_measures()[gate.measure]
    outcome = outcome_of(number, gate.limit, measure.direction)
    needed = items_for_gate(number, gate.limit, measure.narrowing) if outcome is Outcome.UNDECIDED else None
    return JudgedGate(gate, number, outcome, needed)


def outcome_of(number: Number, limit: float, direction: BetterSide) -> Outcome:
    """Where a number stands against a limit; the limit itself is allowed."""
    low, high = _ends(number)
    if low is None or high is None or number.kind == "estimated":
        return Outcome.NOT_MEASURED
    if direction == "lower":
        low, high, limit = -high, -low, -limit
    if low >= limit:
        return Outcome.PASS
    return Outcome.FAIL if high < limit else Outcome.UNDECIDED


def _ends(number: Number) -> tuple[float | None, float | None]:
    """The interval; of a number without any chance in it, twice the number."""
    if number.kind == "exact":
        return number.value, number.value
    return number.low, number.high


def items_for_gate(number: Number, limit: float, narrowing: Narrowing) -> int | None:
    """About how many items would decide in 9 of 10 reviews, if the truth is as seen.

    n = ((z_0.975 s_limit + z_0.9 s_seen) / (value - limit))^2, where s^2 is the variance of one item, were
    the limit the truth and as seen: of a paired change from the shares won and lost, of a share p (1 - p).
    For all others the half of the interval that faces the limit is taken to narrow with the root of n.

    Liu, Hsueh, Hsieh and Chen 2002, Statistics in Medicine 21, 231-245, section 4.
    """
    value, low, high, n = number.value, number.low, number.high, number.n
    if value is None or low is None or high is None or n is None or narrowing == "none":
        return None
    surely, z = two_sided(2 * SURELY - 1), two_sided(0.95)
    match narrowing:
        case "paired":
            return items_to_decide(number, -limit)
        case "share":
            allowed = min(1.0, max(0.0, limit))
            reach = z * sqrt(allowed * (1 - allowed)) + surely * sqrt(value * (1 - value))
        case "root":
            half = value - low if limit < value else high - value
            reach = sqrt(n) * half * (z + surely) / z
    return count_to_decide(reach, value - limit)


def overall(judged: Iterable[JudgedGate]) -> Outcome:
    """All required gates together: one that fails decides, then one that is open; all of them must pass.

    Without a required gate nothing was judged, so nothing passes.
    """
    outcomes = {each.outcome for each in judged if each.gate.required}
    order = (Outcome.FAIL, Outcome.UNDECIDED, Outcome.NOT_MEASURED, Outcome.PASS)
    return next((outcome for outcome in order if outcome in outcomes), Outcome.NOT_MEASURED)


def deciding(judged: Iterable[JudgedGate]) -> tuple[JudgedGate, ...]:
    """The required gates on account of which the review says what it says."""
    required = tuple(each for each in judged if each.gate.required)
    verdict = overall(required)
    return tuple(each for each in required if each.outcome is verdict)


ExitCode = Literal[0, 1, 3]


def exit_code(judged: Iterable[JudgedGate], *, allow_undecided: bool = False) -> ExitCode:
    """0: all required gates pass; 1: one fails; 3: none fails, and something is open.

    allow_undecided makes that 0, unless not one required gate could be judged.
    """
    required = tuple(each for each in judged if each.gate.required)
    match overall(required):
        case Outcome.PASS:
            return 0
        case Outcome.FAIL:
            return 1
        case _:
            some = any(each.outcome is not Outcome.NOT_MEASURED for each in required)
            return 0 if allow_undecided and some else 3
