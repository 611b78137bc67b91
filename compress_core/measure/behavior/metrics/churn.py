"""Churn."""

from __future__ import annotations

import numpy as np

from compress_core.foundation.number import Number
from compress_core.measure.behavior.metric import Shown, metric
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.intervals import wilson


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
    changed = int(np.count_nonzero(before.predicted != after.predicted))
    low, high = wilson(changed, after.n)
    return Number(changed / after.n, "share", "measured", float(low), float(high), after.n)
