"""Large arrays made small enough to draw: blocks of a matrix, bins of a histogram."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_CELLS = 128
_ORDINARY = (1e-30, 1e30)  # spans that float32 can part into bins


@dataclass(frozen=True)
class ZoomWindow:
    """A part of a matrix: rows top to bottom, columns left to right, the ends not included."""

    top: int
    bottom: int
    left: int
    right: int

    def within(self, rows: int, columns: int) -> ZoomWindow:
        """The part of it that a matrix of this shape has; the whole matrix where they do not meet."""
        top, bottom = max(self.top, 0), min(self.bottom, rows)
        left, right = max(self.left, 0), min(self.right, columns)
        inside = top < bottom and left < right
        return ZoomWindow(top, bottom, left, right) if inside else ZoomWindow(0, rows, 0, columns)


@dataclass(frozen=True)
class Blocks:
    """The mean of a matrix over blocks: mean [r, c], row_edges [r + 1], column_edges [c + 1].

    count [r, c]: how many cells each mean is of; a block without any is NaN.
    """

    mean: NDArray[np.float32]
    row_edges: NDArray[np.int64]
    column_edges: NDArray[np.int64]
    count: NDArray[np.int64]

    @property
    def cell(self) -> tuple[int, int]:
        """Rows and columns that a full block covers."""
        return int(self.row_edges[1] - self.row_edges[0]), int(self.column_edges[1] - self.column_edges[0])


def block_reduce(
    matrix: NDArray[Any],
    max_cells: int = MOST_CELLS,
    window: ZoomWindow | None = None,
    present: NDArray[np.bool_] | None = None,
) -> Blocks:
    """The mean over blocks of equal size, as few to a block as max_cells a side allow.

    matrix [rows, columns] of bools or finite numbers; the last block of a side may be smaller. present of
    the same shape: only these cells are counted, all of them without it.
    """
    rows, columns = matrix.shape
    part = (window or ZoomWindow(0, rows, 0, columns)).within(rows, columns)
    row_edges = block_edges(part.top, part.bottom, max_cells)
    column_edges = block_edges(part.left, part.right, max_cells)
    inside = np.s_[part.top : part.bottom, part.left : part.right]
    starts = row_edges[:-1] - part.top, column_edges[:-1] - part.left
    if present is None or present.all():
        sums = _block_sums(matrix[inside], *starts)
        count = np.outer(np.diff(row_edges), np.diff(column_edges))
    else:
        sums = _block_sums(np.where(present[inside], matrix[inside], 0).astype(matrix.dtype), *starts)
        count = _block_sums(present[inside], *starts)
    mean = np.divide(sums, count, out=np.full(count.shape, np.nan), where=count > 0)
    return Blocks(mean.astype(np.float32), row_edges, column_edges, count)


def block_edges(start: int, stop: int, max_cells: int) -> NDArray[np.int64]:
    """Where the blocks of a side begin and end: equal steps, the last one may be shorter."""
    step = ceil((stop - start) / max_cells)
    return np.append(np.arange(start, stop, step), stop).astype(np.int64)


def _block_sums(matrix: NDArray[Any], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[Any]:
    """Sums over blocks; along the rows first, which is several times faster than across them."""
    exact = np.int64 if matrix.dtype.kind in "biu" else np.float64
    narrow = np.int32 if matrix.dtype == np.bool_ else exact
    return np.add.reduceat(np.add.reduceat(matrix, columns, axis=1, dtype=narrow), rows, axis=0, dtype=exact)


def shared_edges(*values: NDArray[Any], bins: int = 121) -> NDArray[np.float64]:
    """Edges of equal bins for all the finite values, symmetric about zero.

    An odd number of bins gives zero a bin of its own.
    """
    reach = max((_reach(v) for v in values if v.size), default=0.0)
    return np.linspace(-(reach or 1.0), reach or 1.0, bins + 1)


def _reach(values: NDArray[Any]) -> float:
    """The largest finite magnitude; 0 where nothing is finite."""
    largest = float(np.abs(values).max())
    if np.isfinite(largest):
        return largest
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max()) if finite.size else 0.0


def binned(values: NDArray[Any], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many values fall into each bin, as numpy.histogram counts; what lies outside is not counted.

    NaN and infinity lie outside.
    """
    bins = len(edges) - 1
    even = np.array_equal(edges, np.linspace(edges[0], edges[-1], bins + 1))
    if not _ORDINARY[0] < edges[-1] - edges[0] < _ORDINARY[1]:
        values = values.astype(np.float64)  # else 3e38 overflows, and 1e-45 has no parts
    if even:  # no search for each value: several times faster
        return np.histogram(values, bins=bins, range=(float(edges[0]), float(edges[-1])))[0].astype(np.int64)
    return np.histogram(values[np.isfinite(values)], bins=edges)[0].astype(np.int64)
