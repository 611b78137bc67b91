"""Churn."""

from __future__ import annotations

import numpy as np

from compress_core.measure.intervals import wilson
from compress_core.measure.metric import metric
from compress_core.measure.number import Number
from compress_core.measure.predictions import Predictions


@metric(title="Churn", unit="share", direction="lower", needs_labels=False)
def churn(before: Predictions, after: Predictions) -> Number:
    """Share of the items whose predicted class changed, for better or worse.

    Wilson interval.

    Milani Fard et al. 2016, Launch and Iterate: Reducing Prediction Churn.
    """
    changed = int(np.count_nonzero(before.predicted != after.predicted))
    low, high = wilson(changed, after.n)
    return Number(changed / after.n, "share", "measured", float(low), float(high), after.n)
