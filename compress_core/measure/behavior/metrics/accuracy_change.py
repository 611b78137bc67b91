"""Change of accuracy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.number import Number
from compress_core.measure.behavior.mean_number import mean_in_parts
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
    if after.in_parts:
        right_before, right_after = before.correct, after.correct
        assert right_before is not None, "a change of accuracy needs labels"
        assert right_after is not None, "a change of accuracy needs labels"
        return change_in_parts(right_after.astype(np.int8) - right_before, after.item_of)
    return change_of_counts(*gained_and_lost(before, after), after.n)


def change_in_parts(change: NDArray[np.int8], item_of: NDArray[np.int64] | None) -> Number:
    """The same from decisions [N] that turned right (1) or wrong (-1): a mean over items with several."""
    return mean_in_parts(100 * change.astype(np.float64), item_of, "points", (-100.0, 100.0))


def change_of_counts(gained: int, lost: int, n: int) -> Number:
    """The same from how many of n items turned right, and how many turned wrong."""
    low, high = tango(gained, lost, n).times(100)
    return Number(100 * (gained - lost) / n, "points", "measured", float(low), float(high), n)
