"""Items that were gained."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.measure.behavior.mean_number import ALONE
from compress_core.measure.behavior.metric import Shown, metric
from compress_core.measure.behavior.predictions import Predictions, gained_and_lost
from compress_core.numerics.intervals import wilson


@metric(
    title="Wrong to right",
    unit="item",
    direction="higher",
    needs_labels=True,
    order=4,
    interval="Wilson interval",
    shown=Shown.HEADER | Shown.TILE,
)
def wrong_to_right(before: Predictions, after: Predictions) -> Number:
    """How many items that the original got wrong and this model gets right.

    Wilson interval of their share, times the number of items.
    """
    count, _ = gained_and_lost(before, after)
    if after.in_parts:
        return Number(count, "item", "measured", n=after.n, no_interval=ALONE)
    low, high = wilson(count, after.n).times(after.n)
    return Number(count, "item", "measured", float(low), float(high), after.n)
