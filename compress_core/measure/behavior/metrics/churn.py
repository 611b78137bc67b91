"""Churn."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.measure.behavior.mean_number import share_number
from compress_core.measure.behavior.metric import Shown, metric
from compress_core.measure.behavior.predictions import Predictions


@metric(
    title="Churn",
    unit="share",
    direction="lower",
    needs_labels=False,
    order=5,
    interval="Wilson interval",
    shown=Shown.HEADLINE | Shown.HEADER | Shown.TILE,
)
def churn(before: Predictions, after: Predictions) -> Number:
    """Share of the items whose predicted class changed, for better or worse.

    Wilson interval.

    Milani Fard et al. 2016, Launch and Iterate: Reducing Prediction Churn.
    """
    return share_number(before.predicted != after.predicted, after)
