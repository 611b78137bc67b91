"""Drift of confidence."""

from __future__ import annotations

import numpy as np

from compress_core.foundation.number import Number
from compress_core.measure.behavior.metric import NOT_FINITE, Shown, metric
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.intervals import of_mean


@metric(
    title="Confidence drift",
    unit="points",
    direction="none",
    needs_labels=False,
    order=7,
    interval="normal interval",
    shown=Shown.UNLABELED_TILE,
)
def confidence_drift(before: Predictions, after: Predictions) -> Number:
    """How much more (or less, below 0) probability the original's choices get, on average.

    In percentage points, with the normal interval of a mean; no interval where every item drifted
    the same.
    """
    drift = 100 * (after.confidence_in(before.predicted) - before.confidence)
    if np.isnan(drift).any():
        return Number.missing("points", NOT_FINITE, after.n)
    bounds = of_mean(drift)
    low, high = (None, None) if bounds is None else (float(bounds.low), float(bounds.high))
    return Number(float(drift.mean()), "points", "measured", low, high, after.n)
