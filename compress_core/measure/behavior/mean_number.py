"""The mean of what was measured on each item, as a number; with an interval where there are items enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.behavior.predictions import Predictions, values_by_item
from compress_core.numerics.arrays import Bools, Floats
from compress_core.numerics.intervals import wilson
from compress_core.numerics.mean_interval import of_mean

ALL_EQUAL = N_("No interval: every item has the same value.")
_ROUNDING = 1e-12  # of the way between the ends: values that differ by less are equal
FEW_ITEMS = 30  # with several decisions each: below it the error of a share is too badly known
ALONE = N_("No interval: the decisions of one item are not independent of one another.")


def share_number(flags: Bools, of: Predictions) -> Number:
    """The share of decisions [N] of which something holds, with Wilson's interval.

    Where an item holds several, the interval is that of a mean over items.
    """
    share = float(flags.mean())
    if not of.in_parts:
        low, high = wilson(int(flags.sum()), of.n)
        return Number(share, "share", "measured", float(low), float(high), of.n)
    return mean_in_parts(flags.astype(np.float64), of.item_of, "share", (0.0, 1.0))


def mean_in_parts(
    values: Floats, item_of: NDArray[np.int64] | None, unit: str, ends: tuple[float, float]
) -> Number:
    """Mean of values of decisions [N] that lie between two ends, with its interval over items.

    Where all items are alike, others are reckoned with that may have stayed unseen, each as far off as the
    ends allow: as many as Wilson's interval allows of which none of n was seen, which are more than by the
    rule of three. An item with more decisions than others counts as many times.

    Hanley and Lippman-Hand 1983, Journal of the American Medical Association 249, 1743-1745.
    """
    mean, of_items = float(values.mean()), values_by_item(values, item_of)
    least, most = ends
    if of_items.size >= FEW_ITEMS and np.ptp(of_items) <= _ROUNDING * (most - least):
        unseen = min(1.0, float(wilson(0, of_items.size).high) * _heaviest(item_of))
        low, high = mean - unseen * (mean - least), mean + unseen * (most - mean)
        return Number(mean, unit, "measured", low, high, of_items.size)
    found = mean_number(of_items, unit, least=FEW_ITEMS)
    if found.low is None or found.high is None:
        return found
    return replace(found, value=mean, low=max(least, found.low), high=min(most, found.high))


def _heaviest(item_of: NDArray[np.int64] | None) -> float:
    """How many times as many decisions as the mean the item has that has most."""
    if item_of is None:
        return 1.0
    counts = np.unique(item_of, return_counts=True)[1]
    return float(counts.max() / counts.mean())


def mean_number(values: Floats, unit: str, *, least: int) -> Number:
    """Mean of values [N] with its interval; below `least` items none, since it would promise too much.

    In a compressed network one item in a hundred often makes up most of such a mean, and few items hold
    none of those. `python -m benchmarks coverage` counts how often the interval holds the true mean.
    """
    mean, n = float(values.mean()), values.size
    if n < least:
        why = Phrase(
            "An interval needs N >= {least:,}: the few items that move most may be missing here.", least=least
        )
        return Number(mean, unit, "measured", n=n, no_interval=why)
    bounds = of_mean(values)
    if bounds is None:
        return Number(mean, unit, "measured", n=n, no_interval=ALL_EQUAL)
    return Number(mean, unit, "measured", float(bounds.low), float(bounds.high), n)
