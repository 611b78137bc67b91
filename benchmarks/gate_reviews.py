"""How often a review is wrong, and how often it is open: a thousand reviews of models whose truth is known.

Items are drawn with the true shares of those that a model wins and loses; each review sees its own items and
judges a gate as `slimscope review` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import FULL, Size
from compress_core.foundation.number import Number
from compress_core.measure.behavior.metrics.accuracy_change import change_of_counts
from compress_core.numerics.intervals import score_variance, tango, two_sided
from compress_core.numerics.paired_ratio import share_ratio
from compress_core.reviews.gate import Gate
from compress_core.reviews.gate_verdict import Outcome, judged_gate, outcome_of
from compress_core.reviews.worst_part import PartCounts, worst_of

REVIEWS = 1000
LIMIT, BEYOND = -0.3, -0.4  # points
SIZES, DISCORDANT = (500, 2000, 6000, 20_000, 50_000), (0.005, 0.02, 0.1)
KEPT, CLASSES, CLASS_LIMIT = 0.99, 10, -2.0
Counts = NDArray[np.int64]


def lines(size: Size) -> Iterator[str]:
    """The gate on accuracy at several N and shares of changed items, then what is named, then other gates."""
    reviews = REVIEWS if size is FULL else 50
    yield "| changed items | N | worse passes | equal fails | equal is UNDECIDED | by the formula |"
    yield "| --- " * 6 + "|"
    for share in DISCORDANT:
        for n in SIZES if size is FULL else SIZES[:2]:
            worse, equal = (_outcomes(change, share, n, reviews) for change in (BEYOND, 0.0))
            cells = (worse[Outcome.PASS], equal[Outcome.FAIL], equal[Outcome.UNDECIDED])
            told = " | ".join(f"{cell:.1%}" for cell in (*cells, expected_undecided(0.0, share, n)))
            yield f"| {share:.1%} | {n:,} | {told} |"
    yield ""
    yield "| changed items | seen on | items named | UNDECIDED on so many |"
    yield "| --- " * 4 + "|"
    for share in DISCORDANT:
        yield _named(share, reviews)
    yield ""
    yield "| gate | N | violated by a little, passes | far from the limit, fails |"
    yield "| --- " * 4 + "|"
    for n in (2000, 10_000) if size is FULL else (500,):
        yield _kept_row(n, reviews)
        yield _class_row(n, reviews)
    yield ""
    yield f"Margin 0.3 points, {reviews:,} reviews each; worse: truly {-BEYOND:g} points lost; equal: none."


def _drawn(change: float, share: float, n: int, reviews: int, seed: int = 0) -> tuple[Counts, Counts]:
    """Items won and lost in each review, for a true change in points and a share of changed items."""
    gained = (share + change / 100) / 2
    assert gained >= 0, "no more is lost than changes"
    won, lost, _ = (
        np.random.default_rng(seed).multinomial(n, [gained, share - gained, 1 - share], size=reviews).T
    )
    return won, lost


def _outcomes(change: float, share: float, n: int, reviews: int) -> dict[Outcome, float]:
    low, high = tango(*_drawn(change, share, n, reviews), n).times(100)
    found = [_outcome(float(a), float(b), LIMIT) for a, b in zip(low, high, strict=True)]
    return {outcome: found.count(outcome) / reviews for outcome in Outcome}


def _outcome(low: float, high: float, limit: float) -> Outcome:
    return outcome_of(Number(low, "points", "measured", low, high, 1), limit, "higher")


def expected_undecided(change: float, share: float, n: int) -> float:
    """The share of reviews that stay open, by the normal approximation behind the items that are named.

    change in points; both ends of the interval lie z s_limit / sqrt(n) from the change that is seen, which
    itself varies by s_seen / sqrt(n).

    Liu, Hsueh, Hsieh and Chen 2002, Statistics in Medicine 21, 231-245, section 4.
    """
    delta, limit = change / 100, LIMIT / 100
    lost = (share - delta) / 2
    at_limit = sqrt(float(score_variance(delta + lost, lost, 1, limit)))
    seen = sqrt(share - delta**2)
    room, reach = (delta - limit) * sqrt(n), two_sided(0.95) * at_limit
    normal = NormalDist()
    return 1 - normal.cdf((room - reach) / seen) - normal.cdf((-room - reach) / seen)


def _named(share: float, reviews: int) -> str:
    """What a first review names where it is open, and how many are open on so many items."""
    n = next(n for n in (200, 400, 1000) if round(share * n / 2))
    changed = round(share * n / 2)
    first = judged_gate(Gate(measure="accuracy_change", limit=LIMIT), change_of_counts(changed, changed, n))
    needed = first.items_to_decide
    assert needed is not None, "it is open"
    left = _outcomes(0.0, 2 * changed / n, needed, reviews)[Outcome.UNDECIDED]
    return f"| {2 * changed / n:.1%} | {n:,} | {needed:,} | {left:.1%} |"


def _kept_row(n: int, reviews: int, accuracy: float = 0.95, share: float = 0.02) -> str:
    """Share kept: truly 98.9 % where 99 % must be, and all of it."""
    wrong = []
    for kept, bad in ((KEPT - 0.001, Outcome.PASS), (1.0, Outcome.FAIL)):
        change = 100 * accuracy * (kept - 1)
        won, lost = _drawn(change, share, n, reviews)
        both = np.random.default_rng(1).binomial(n - won - lost, (accuracy - share / 2) / (1 - share))
        low, high = share_ratio(both, won, lost)
        found = [_outcome(float(a), float(b), KEPT) for a, b in zip(low, high, strict=True)]
        wrong.append(found.count(bad) / reviews)
    return f"| accuracy kept at least 99 % | {n:,} | {wrong[0]:.1%} | {wrong[1]:.1%} |"


def _class_row(n: int, reviews: int) -> str:
    """Worst of ten classes: one truly loses 2.1 points where 2 are allowed, and none loses anything."""
    wrong = []
    for worst, bad in ((CLASS_LIMIT - 0.1, Outcome.PASS), (0.0, Outcome.FAIL)):
        found = []
        changes = [worst, *[0.0] * (CLASSES - 1)]
        drawn = [_drawn(c, 0.03, n // CLASSES, reviews, seed) for seed, c in enumerate(changes)]
        for review in range(reviews):
            won, lost = (np.array([each[i][review] for each in drawn], dtype=np.float64) for i in (0, 1))
            number = worst_of(PartCounts(np.full(CLASSES, float(n // CLASSES)), won, lost))
            found.append(outcome_of(number, CLASS_LIMIT, "higher"))
        wrong.append(found.count(bad) / reviews)
    return f"| worst of ten classes at least -2 points | {n:,} | {wrong[0]:.1%} | {wrong[1]:.1%} |"
