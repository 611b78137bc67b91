"""Accuracy."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.measure.behavior.mean_number import share_number
from compress_core.measure.behavior.metric import Shown, metric
from compress_core.measure.behavior.predictions import Predictions


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
    return share_number(after.correct, after)
