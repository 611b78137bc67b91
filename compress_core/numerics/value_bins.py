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
    flat = values.reshape(-1).astype(np.float64)
    finite = np.isfinite(flat)
    sizes = np.abs(flat[finite])
    reach = _reach(sizes)
    inside = np.clip(np.where(finite, flat, 0.0) / reach, -1, 1)
    place = np.minimum((inside + 1) * (bins / 2), bins - 1).astype(np.int16)
    place[~finite] = -1
    return ValueBins(np.linspace(-reach, reach, bins + 1), place, int(np.count_nonzero(sizes > reach)))


def _reach(sizes: Floats) -> float:
    if not sizes.size or not sizes.max() > 0:
        return 1.0
    largest, most = float(sizes.max()), float(np.quantile(sizes, 0.999))
    usual = most if most > 0 else float(np.median(sizes[sizes > 0]))
    return largest if largest <= _FAR * usual else 2 * usual


def kept_in_bins(bins: ValueBins, gone_from: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """How many values of each bin stay at every row [rows, bins].

    gone_from [values]: the first row that removes it, `rows` for what none removes.
    """
    count = len(bins.edges) - 1
    place = bins.of.astype(np.int64) * (rows + 1) + np.minimum(gone_from, rows)
    place = place[bins.of >= 0] if bins.broken else place
    leaving = np.bincount(place, minlength=count * (rows + 1)).reshape(count, rows + 1)
    kept: NDArray[np.int64] = (leaving.sum(axis=1, keepdims=True) - leaving.cumsum(axis=1))[:, :rows].T
    return kept
