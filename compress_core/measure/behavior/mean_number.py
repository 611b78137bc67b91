"""The mean of what was measured on each item, as a number; with an interval where there are items enough."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_, Phrase
from compress_core.numerics.arrays import Floats
from compress_core.numerics.mean_interval import of_mean

ALL_EQUAL = N_("No interval: every item has the same value.")


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
