"""Items that were lost."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.measure.behavior.mean_number import ALONE
from compress_core.measure.behavior.metric import Shown, metric
from compress_core.measure.behavior.predictions import Predictions, gained_and_lost
from compress_core.numerics.intervals import wilson


@metric(
    title="Right to wrong",
    unit="item",
    direction="lower",
    needs_labels=True,
    order=3,
    interval="Wilson interval",
    shown=Shown.HEADER | Shown.TILE,
)
def right_to_wrong(before: Predictions, after: Predictions) -> Number:
    """How many items that the original got right and this model gets wrong.

    Wilson interval of their share, times the number of items.
    """
    _, count = gained_and_lost(before, after)
    if after.in_parts:
        return Number(count, "item", "measured", n=after.n, no_interval=ALONE)
    low, high = wilson(count, after.n).times(after.n)
    return Number(count, "item", "measured", float(low), float(high), after.n)
