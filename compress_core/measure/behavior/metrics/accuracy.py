"""Accuracy."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.measure.behavior.metric import Shown, metric
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.intervals import wilson


@metric(
    title="Accuracy",
    unit="share",
    direction="higher",
    needs_labels=True,
    order=1,
    interval="Wilson interval",
    shown=Shown.HEADLINE | Shown.HEADER | Shown.TILE,
)
def accuracy(after: Predictions) -> Number:
    """Share of the items whose predicted class is the right one.

    Wilson interval. An item without finite outputs is wrong.
    """
    assert after.correct is not None, "accuracy needs labels"
    right = int(after.correct.sum())
    low, high = wilson(right, after.n)
    return Number(right / after.n, "share", "measured", float(low), float(high), after.n)
