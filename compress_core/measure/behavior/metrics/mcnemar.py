"""McNemar's test."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.measure.behavior.mean_number import ALONE
from compress_core.measure.behavior.metric import metric
from compress_core.measure.behavior.predictions import Predictions, gained_and_lost
from compress_core.numerics.intervals import mcnemar_exact


@metric(
    title="McNemar p",
    unit="p",
    direction="none",
    needs_labels=True,
    order=9,
)
def mcnemar(before: Predictions, after: Predictions) -> Number:
    """How easily chance alone would make the accuracy change this much, if it truly stayed the same.

    A p-value, two-sided and exact. It tests accuracy, not behavior: as many items won as lost give 1.

    McNemar 1947, Psychometrika 12, 153-157.
    """
    if after.in_parts:
        return Number.missing("p", ALONE, after.n)
    return Number(float(mcnemar_exact(*gained_and_lost(before, after))), "p", "measured", n=after.n)
