"""How sure a median is, whatever the values are like."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from compress_core.numerics.arrays import Floats
from compress_core.numerics.intervals import Interval


def of_median(values: Floats, level: float = 0.95) -> Interval | None:
    """Interval of the median of values [N], from their order alone; None where they are too few, below six.

    It holds for every distribution: the true median lies outside only where too many of the items fall on one
    side of it, as with a fair coin.

    Thompson 1936, Annals of Mathematical Statistics 7, 122-128.
    """
    place = int(binom.ppf((1 - level) / 2, values.size, 0.5))
    if place < 1:
        return None
    ordered = np.sort(values)
    return Interval(ordered[place - 1], ordered[-place])
