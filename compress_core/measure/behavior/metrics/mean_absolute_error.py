"""Mean absolute error."""

from __future__ import annotations

import numpy as np

from compress_core.foundation.number import Number
from compress_core.measure.behavior.mean_number import mean_number
from compress_core.measure.behavior.metric import NOT_FINITE, Shown, metric
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.arrays import Floats
from compress_core.subject.answer_kind import PredictionTask

LEAST = 30
_REGRESSION = frozenset({PredictionTask.REGRESSION})


def errors_by_item(answered: Predictions) -> Floats:
    """The mean absolute error of each item's values [N], in their unit."""
    assert answered.wanted is not None, "an error needs labels"
    found: Floats = np.abs(answered.logits.astype(np.float64) - answered.wanted).mean(axis=1)
    return found


@metric(
    title="Mean absolute error",
    unit="value",
    direction="lower",
    needs_labels=True,
    order=1,
    interval="interval for skewed values",
    shown=Shown.HEADLINE | Shown.HEADER | Shown.TILE,
    tasks=_REGRESSION,
)
def mean_absolute_error(after: Predictions) -> Number:
    """How far the answers are from the right ones, on average over items and values, in their unit.

    The interval is that of a mean of skewed values; below 30 items there is none.
    """
    return mean_of_items(errors_by_item(after), "value")


def mean_of_items(values: Floats, unit: str) -> Number:
    """The mean of values [N] with its interval, or why it is missing."""
    if not np.isfinite(values).all():
        return Number.missing(unit, NOT_FINITE, values.size)
    return mean_number(values, unit, least=LEAST)
