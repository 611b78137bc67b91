"""How much the direction of a vector stayed."""

from __future__ import annotations

import numpy as np

from compress_core.foundation.number import Number
from compress_core.measure.behavior.mean_number import mean_number
from compress_core.measure.behavior.metric import NOT_FINITE, Shown, metric
from compress_core.measure.behavior.metrics.kl import kl_by_item
from compress_core.measure.behavior.predictions import Predictions
from compress_core.subject.answer_kind import PredictionTask

LEAST = 30


@metric(
    title="Cosine to the original",
    unit="cosine",
    direction="higher",
    needs_labels=False,
    order=1,
    interval="interval for skewed values",
    shown=Shown.HEADLINE | Shown.HEADER | Shown.TILE,
    tasks=frozenset({PredictionTask.EMBEDDING}),
)
def cosine_to_original(before: Predictions, after: Predictions) -> Number:
    """The cosine between each item's vector and the original's, on average: 1 means the same direction.

    The interval is that of a mean of skewed values; below 30 items there is none.
    """
    found = 1 - kl_by_item(before, after)
    if not np.isfinite(found).all():
        return Number.missing("cosine", NOT_FINITE, after.n)
    return mean_number(found, "cosine", least=LEAST)
