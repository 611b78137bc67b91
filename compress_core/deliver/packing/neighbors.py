"""A matrix that is coded column by column: what lies around a column, and which way round is best.

Weights that belong to neighboring pixels or kernel positions resemble each other. Beside the column
before, the one a *stride* earlier is looked at: 28 for an image of 28 x 28, k for a k x k kernel. A
matrix may be turned on its side, so that rows are coded in the place of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compress_core.deliver.packing.bytestream import Reader, Writer
from compress_core.deliver.packing.coder import Damaged

SHORTEST, LONGEST_STRIDE = 3, 256
MOST_STEPS = 2**14  # columns; a step has a cost of its own, however short the column
_SAMPLE_ROWS, _SAMPLE_COLUMNS = 128, 1024
_JUDGED_WHOLE = (slice(512), slice(1024))  # of no more both ways are written in full
_CORNER = (slice(256), slice(512))
WHOLE = (slice(None), slice(None))
_RADIUS = 2  # columns on both sides of the one a stride away


Crop: TypeAlias = tuple[slice, slice]
Columns: TypeAlias = NDArray[Any]  # of small whole numbers or flags, in whichever type holds them


@dataclass(frozen=True)
class Scan:
    """The way through a matrix: on its side or not, and the stride."""

    turned: bool
    stride: int

    def columns(self, matrix: Columns) -> Columns:
        """The columns of a matrix [rows, columns] as rows [steps, lines]; its own reverse way is `back`."""
        return np.ascontiguousarray(matrix if self.turned else matrix.T)

    def back(self, columns: Columns) -> Columns:
        """The matrix [rows, columns] whose columns these are."""
        return np.ascontiguousarray(columns if self.turned else columns.T)

    def shape(self, rows: int, columns: int) -> tuple[int, int]:
        """[steps, lines] of a matrix [rows, columns]; raises Damaged where no writer goes this way."""
        steps, lines = (rows, columns) if self.turned else (columns, rows)
        if steps > MOST_STEPS or lines < 1:
            raise Damaged
        return steps, lines

    def write(self, writer: Writer) -> None:
        writer.number(2 * self.stride + self.turned)

    @classmethod
    def read(cls, reader: Reader) -> Scan:
        said = reader.number()
        if not SHORTEST <= said // 2 <= LONGEST_STRIDE:
            raise Damaged
        return cls(said % 2 == 1, said // 2)


class Around:
    """Columns [steps, lines] with empty ones before and behind, so that any neighbor can be asked for."""

    def __init__(self, columns: Columns, stride: int) -> None:
        self._margin = stride + _RADIUS
        steps, lines = columns.shape
        self._values = np.zeros((steps + 2 * self._margin, lines), dtype=columns.dtype)
        self._values[self._margin : self._margin + steps] = columns

    def at(self, step: int) -> Columns:
        """The column of a step [lines], a view."""
        column: Columns = self._values[step + self._margin]
        return column

    @property
    def all(self) -> Columns:
        """The columns and the empty ones around them [margin + steps + margin, lines], a view."""
        return self._values

    def place(self, step: int) -> int:
        """Which of `all` is the column of a step."""
        return step + self._margin

    def set(self, step: int, values: Columns) -> None:
        """Write the values [lines] of a step."""
        self._values[step + self._margin] = values

    def inside(self) -> Columns:
        """The columns [steps, lines] without the empty ones around them, a view."""
        return self._values[self._margin : len(self._values) - self._margin]


def scans(matrix: NDArray[np.int64]) -> Iterator[Scan]:
    """Both ways through a matrix [rows, columns] of signs or flags, with the stride that repeats most."""
    for turned in (False, True):
        columns = matrix if turned else matrix.T
        if len(columns) > MOST_STEPS:
            continue
        yield Scan(turned, stride_of(columns))


def stride_of(columns: NDArray[np.int64]) -> int:
    """The distance at which columns [steps, lines] agree most, in the mean product of their departures."""
    columns = columns[:_SAMPLE_COLUMNS, :_SAMPLE_ROWS].astype(np.int64)
    longest = min(LONGEST_STRIDE, len(columns) // 2)
    if longest < SHORTEST or not columns.size:
        return SHORTEST
    departures = columns - columns.mean(axis=0)
    likeness = [(departures[d:] * departures[:-d]).mean() for d in range(SHORTEST, longest + 1)]
    return SHORTEST + int(np.argmax(likeness))


def shortest(
    matrix: NDArray[np.int64], write: Callable[[Scan, Crop], bytes], plain: Callable[[Crop], bytes]
) -> tuple[Scan, bytes] | None:
    """The way through a matrix that gives the fewest bytes; a large matrix is judged by a corner of it.

    matrix [rows, columns].

    None where each way has too many steps, or where the corner is no shorter than without neighbors.
    """
    is_judged_whole = matrix[_JUDGED_WHOLE].size == matrix.size
    tried = [(scan, write(scan, WHOLE if is_judged_whole else _CORNER)) for scan in scans(matrix)]
    if not tried:
        return None
    scan, content = min(tried, key=lambda found: len(found[1]))
    if is_judged_whole:
        return scan, content
    return (scan, write(scan, WHOLE)) if len(content) < len(plain(_CORNER)) else None
