"""Items of which every label is right."""

from __future__ import annotations

import numpy as np

from compress_core.foundation.number import Number
from compress_core.measure.behavior.metric import Shown, metric
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.intervals import wilson
from compress_core.subject.answer_kind import PredictionTask


@metric(
    title="Exact match",
    unit="share",
    direction="higher",
    needs_labels=True,
    order=3,
    interval="Wilson interval",
    shown=Shown.HEADER | Shown.TILE,
    tasks=frozenset({PredictionTask.LABELS}),
)
def items_all_right(after: Predictions) -> Number:
    """Share of the items of which every label is right.

    Wilson interval.
    """
    assert after.correct is not None, "needs labels"
    assert after.item_of is not None, "several labels of each item"
    _, item = np.unique(after.item_of, return_inverse=True)
    wrong = np.bincount(item, ~after.correct)
    right, n = int((wrong == 0).sum()), len(wrong)
    low, high = wilson(right, n)
    return Number(right / n, "share", "measured", float(low), float(high), n)
