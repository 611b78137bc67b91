"""Perplexity."""

from __future__ import annotations

import numpy as np

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.mean_number import FEW_ITEMS, mean_number
from compress_core.measure.behavior.metric import NOT_FINITE, Shown, metric
from compress_core.measure.behavior.predictions import Predictions
from compress_core.subject.answer_kind import PredictionTask

TOO_LARGE = N_("It is larger than any number that can be written.")
END_TOO_LARGE = N_("No interval: its upper end is larger than any number that can be written.")
_UNIT = N_("tokens")


@metric(
    title="Perplexity",
    unit=_UNIT,
    direction="lower",
    needs_labels=True,
    order=2,
    interval="interval for skewed values, by item",
    shown=Shown.HEADER | Shown.TILE,
    tasks=frozenset({PredictionTask.TOKENS}),
)
def perplexity(after: Predictions) -> Number:
    """Among how many equally likely tokens the model hesitates at each place: exp(mean cross-entropy).

    Mean over all judged places of all items. The interval is that of a mean over items, whose places are not
    independent; below 30 items there is none.

    Jelinek et al. 1977, Journal of the Acoustical Society of America 62, S63.
    """
    assert after.labels is not None, "needs labels"
    right = after.labels[:, None]
    losses = -np.take_along_axis(after.log_probabilities, right, axis=1)[:, 0]
    if not np.isfinite(losses).all():
        return Number.missing(_UNIT, NOT_FINITE, after.n)
    found = mean_number(after.by_item(losses), "nat", least=FEW_ITEMS)
    with np.errstate(over="ignore"):
        value, low, high = (
            None if x is None else float(np.exp(x)) for x in (found.value, found.low, found.high)
        )
    if value is None or not np.isfinite(value):
        return Number.missing(_UNIT, TOO_LARGE, found.n)
    if high is not None and not np.isfinite(high):
        return Number(value, _UNIT, "measured", n=found.n, no_interval=END_TOO_LARGE)
    return Number(value, _UNIT, "measured", low, high, found.n, no_interval=found.no_interval)
