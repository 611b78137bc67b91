"""Items that the original got right and the compressed model gets wrong."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.mean_number import share_number
from compress_core.numerics.intervals import wilson
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.measure import review_measure


@review_measure(
    title=N_("Right to wrong, share"), unit="share", direction="lower", order=2, narrowing="share"
)
def negative_flips(evidence: Evidence) -> Number:
    """Share of all items that were right and turned wrong, whatever was won elsewhere.

    Wilson interval; where an item holds several decisions, that of a mean over items.

    Yan et al. 2021, arXiv:2011.09161 (negative flip rate).
    """
    counted = evidence.numbers["right_to_wrong"]
    if counted.value is None or counted.n is None:
        return Number.missing("share", counted.reason or "", counted.n)
    before, after = evidence.comparison.before, evidence.comparison.after
    if after.in_parts:
        assert before.correct is not None, "right and wrong need labels"
        assert after.correct is not None, "right and wrong need labels"
        return share_number(before.correct & ~after.correct, after)
    low, high = wilson(counted.value, counted.n)
    return Number(counted.value / counted.n, "share", "measured", float(low), float(high), counted.n)
