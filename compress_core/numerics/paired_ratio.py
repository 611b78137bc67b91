"""How sure a ratio of two shares is that were measured on the same items."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from compress_core.numerics.arrays import Floats
from compress_core.numerics.intervals import Interval, two_sided


def share_ratio(both: ArrayLike, gained: ArrayLike, lost: ArrayLike, level: float = 0.95) -> Interval:
    """Interval of (both + gained) / (both + lost): how much of a share is kept, from paired counts.

    both: items that have it before and after; gained only after; lost only before. Two Wilson intervals of
    the shares among these items, at a level that takes into account how far the two go together, make one
    of their ratio. Where nothing has it before or after, it is [0, infinity].

    Bonett and Price 2006, Statistics in Medicine 25, 3039-3047, equation 6.
    """
    z = two_sided(level)
    a, b, c = (np.asarray(values, dtype=np.float64) for values in (both, gained, lost))
    after, before, items = a + b, a + c, a + b + c
    p_after, p_before = (after + 1) / (items + 2), (before + 1) / (items + 2)
    together = np.sqrt((b + c + 2) / ((after + 1) * (before + 1)))
    apart = np.sqrt((1 - p_after) / (after + 1)) + np.sqrt((1 - p_before) / (before + 1))
    own = z * together / apart
    low_after, high_after = _wilson(after, items, own)
    low_before, high_before = _wilson(before, items, own)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = low_after / high_before, high_after / low_before
    return Interval(np.where(after == 0, 0.0, low), np.where(before == 0, np.inf, high))


def _wilson(successes: Floats, n: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Wilson's interval at a normal quantile z that need not be the same everywhere."""
    items = np.maximum(n, 1.0)
    half = z * np.sqrt(successes * (items - successes) / items + z**2 / 4)
    low, high = ((successes + z**2 / 2 + side * half) / (items + z**2) for side in (-1, 1))
    return low, high
