"""Where a curve falls away: its knee."""

from __future__ import annotations

import numpy as np

from compress_core.measure.behavior.metric import Direction
from compress_core.numerics.arrays import Floats


def knee_of(values: Floats, direction: Direction) -> int | None:
    """The last place before a measure falls away, over settings from the mildest to the hardest [n].

    Both axes are scaled to their own range, the measure from its first value to its worst. The knee is where
    the curve lies highest above the straight line between these two; of equal places it is the last. A curve
    that nowhere rises above that line falls from the start: its knee is the first place. None where the
    measure is nowhere worse than at first. NaN, which was not measured, is passed over.

    Satopää, Albrecht, Irwin and Raghavan 2011, Finding a Kneedle in a Haystack, section III.
    """
    known = np.flatnonzero(np.isfinite(values))
    if known.size < 2 or known[0] != 0:
        return None
    loss = (values[known] - values[0]) * (-1.0 if direction == "higher" else 1.0)
    worst = int(np.argmax(loss))
    if loss[worst] <= 0:
        return None
    until = slice(0, worst + 1)
    above = known[until] / known[worst] - np.maximum.accumulate(loss)[until] / loss[worst]
    return int(known[np.flatnonzero(above >= above.max() - 1e-12)[-1 if above.max() > 1e-12 else 0]])
