"""Change of the mean absolute error."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.measure.behavior.metric import Shown, metric
from compress_core.measure.behavior.metrics.mean_absolute_error import errors_by_item, mean_of_items
from compress_core.measure.behavior.predictions import Predictions
from compress_core.subject.answer_kind import PredictionTask


@metric(
    title="Error change",
    unit="value change",
    direction="lower",
    needs_labels=True,
    order=2,
    interval="paired interval for skewed values",
    shown=Shown.HEADER | Shown.TILE,
    change_of="mean_absolute_error",
    tasks=frozenset({PredictionTask.REGRESSION}),
)
def error_change(before: Predictions, after: Predictions) -> Number:
    """How much larger the mean absolute error became (or smaller, below 0) on the same items, in their unit.

    Paired: the interval is that of the mean of each item's own change; below 30 items there is none.
    """
    return mean_of_items(errors_by_item(after) - errors_by_item(before), "value change")
