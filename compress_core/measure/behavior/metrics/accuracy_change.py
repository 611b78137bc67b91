"""Change of accuracy."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.measure.behavior.metric import Shown, metric
from compress_core.measure.behavior.predictions import Predictions, gained_and_lost
from compress_core.numerics.intervals import tango


@metric(
    title="Accuracy change",
    unit="points",
    direction="higher",
    needs_labels=True,
    order=2,
    interval="paired interval of Tango",
    shown=Shown.HEADER | Shown.TILE,
    change_of="accuracy",
)
def accuracy_change(before: Predictions, after: Predictions) -> Number:
    """How many percentage points of accuracy were won (or lost, below 0) on the same items.

    Paired score interval: it stays wider than 0 when no item changed.

    Tango 1998, Statistics in Medicine 17, 891-908.
    """
    return change_of_counts(*gained_and_lost(before, after), after.n)


def change_of_counts(gained: int, lost: int, n: int) -> Number:
    """The same from how many of n items turned right, and how many turned wrong."""
    low, high = tango(gained, lost, n).times(100)
    return Number(100 * (gained - lost) / n, "points", "measured", float(low), float(high), n)
