"""Drift of confidence."""

from __future__ import annotations

import numpy as np

from compress_core.foundation.number import Number
from compress_core.measure.behavior.mean_number import mean_number
from compress_core.measure.behavior.metric import NOT_FINITE, Shown, metric
from compress_core.measure.behavior.predictions import Predictions

LEAST = 1000  # items, from which on the interval holds the true mean in 19 of 20 cases


@metric(
    title="Confidence drift",
    unit="points",
    direction="none",
    needs_labels=False,
    order=7,
    interval="interval for skewed values",
    shown=Shown.UNLABELED_TILE,
)
def confidence_drift(before: Predictions, after: Predictions) -> Number:
    """How much more (or less, below 0) probability the original's choices get, on average.

    In percentage points. The interval takes into account that few items make up most of it; below 1,000 items
    there is none, as these few may be missing.
    """
    drift = 100 * (after.confidence_in(before.predicted) - before.confidence)
    if np.isnan(drift).any():
        return Number.missing("points", NOT_FINITE, after.n)
    return mean_number(after.by_item(drift), "points", least=LEAST)
