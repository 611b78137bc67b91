"""The mean of what was measured on each item, as a number; with an interval where there are items enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.arrays import Bools, Floats
from compress_core.numerics.intervals import wilson
from compress_core.numerics.mean_interval import of_mean

ALL_EQUAL = N_("No interval: every item has the same value.")


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
    found = mean_number(of.by_item(flags.astype(np.float64)), "share", least=FEW_ITEMS)
    if found.low is None or found.high is None:
        return found
    return replace(found, value=share, low=max(0.0, found.low), high=min(1.0, found.high))


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
