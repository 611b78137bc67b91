"""Values counted in equal bins about zero, whatever values they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.cached import cached_property
from compress_core.numerics.arrays import Floats

BINS = 81  # an odd number: zero has a bin of its own
_FAR = 20.0  # times what all but a thousandth of the values stay below
_BLOCK = 2**20  # values at a time


@dataclass(frozen=True, eq=False)
class ValueBins:
    """edges [bins + 1]; of [values] the bin of each, -1 where it is no finite number.

    beyond: so many finite values lie outside the edges and are counted in the outermost bins.
    """

    edges: Floats
    of: NDArray[np.int16]
    beyond: int

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How many values are in each bin [bins]."""
        return np.bincount(self.of[self.of >= 0], minlength=len(self.edges) - 1)

    @cached_property
    def broken(self) -> int:
        """How many values are NaN or infinite."""
        return int(np.count_nonzero(self.of < 0))


def value_bins(values: NDArray[Any], bins: int = BINS) -> ValueBins:
    """Bins as wide as the values reach; a few that lie far beyond all others do not stretch them.

    values of any shape, taken in order.
    """
    flat = values.reshape(-1)
    sizes = np.abs(flat)
    sizes = sizes[np.isfinite(sizes)]
    reach = _reach(sizes)
    place = np.empty(len(flat), dtype=np.int16)
    for start in range(0, len(flat), _BLOCK):
        block = flat[start : start + _BLOCK].astype(np.float64)
        finite = np.isfinite(block)
        inside = np.clip(np.where(finite, block, 0.0) / reach, -1, 1)
        found = np.minimum((inside + 1) * (bins / 2), bins - 1).astype(np.int16)
        found[~finite] = -1
        place[start : start + _BLOCK] = found
    return ValueBins(
        np.linspace(-reach, reach, bins + 1), place, int(np.count_nonzero(sizes > np.float64(reach)))
    )


def _reach(sizes: NDArray[Any]) -> float:
    if not sizes.size or not sizes.max() > 0:
        return 1.0
    largest, most = float(sizes.max()), _quantile(sizes, 0.999)
    usual = most if most > 0 else float(np.median(sizes[sizes > 0].astype(np.float64)))
    return largest if largest <= _FAR * usual else 2 * usual


def _quantile(values: NDArray[Any], share: float) -> float:
    """The quantile of values [n] in double precision, from the two around it."""
    at = share * (len(values) - 1)
    below = int(at)
    above = min(below + 1, len(values) - 1)
    around = np.partition(values, (below, above))
    return float(np.quantile(around[[below, above]].astype(np.float64), at - below))


def kept_in_bins(bins: ValueBins, gone_from: NDArray[np.integer[Any]], rows: int) -> NDArray[np.int64]:
    """How many values of each bin stay at every row [rows, bins].

    gone_from [values]: the first row that removes it, `rows` for what none removes.
    """
    count = len(bins.edges) - 1
    leaving = np.zeros(count * (rows + 1), dtype=np.int64)
    for start in range(0, len(bins.of), _BLOCK):
        of, gone = bins.of[start : start + _BLOCK], gone_from[start : start + _BLOCK]
        place = of.astype(np.int64) * (rows + 1) + np.minimum(gone, rows)
        leaving += np.bincount(place[of >= 0] if bins.broken else place, minlength=len(leaving))
    table = leaving.reshape(count, rows + 1)
    kept: NDArray[np.int64] = (table.sum(axis=1, keepdims=True) - table.cumsum(axis=1))[:, :rows].T
    return kept
