"""How far real numbers moved."""

from __future__ import annotations

import numpy as np

from compress_core.foundation.number import Number
from compress_core.measure.behavior.metric import Shown, metric
from compress_core.measure.behavior.metrics.mean_absolute_error import mean_of_items
from compress_core.measure.behavior.predictions import Predictions
from compress_core.subject.answer_kind import PredictionTask


@metric(
    title="Shift of the answers",
    unit="value",
    direction="lower",
    needs_labels=False,
    order=3,
    interval="interval for skewed values",
    shown=Shown.HEADLINE | Shown.HEADER | Shown.TILE,
    tasks=frozenset({PredictionTask.REGRESSION}),
)
def answer_shift(before: Predictions, after: Predictions) -> Number:
    """How far the answers moved from the original's, on average over items and values, in their unit.

    The interval is that of a mean of skewed values; below 30 items there is none.
    """
    apart = np.abs(after.logits.astype(np.float64) - before.logits).mean(axis=1)
    return mean_of_items(apart, "value")
