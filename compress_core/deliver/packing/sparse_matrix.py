"""A matrix of whole numbers that are mostly zero: which rows and columns hold anything, where, and what."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from compress_core.deliver.packing.coder import Damaged, Ints
from compress_core.deliver.packing.joint_stream import JointStream
from compress_core.deliver.packing.living_lines import code_living
from compress_core.deliver.packing.living_weights import CELLS, Living, cell_of, code_living_weights
from compress_core.deliver.packing.neighbors import LONGEST_STRIDE, MOST_STEPS, SHORTEST, stride_of
from compress_core.deliver.packing.signed_sizes import code_signed

LevelSteps: TypeAlias = NDArray[np.int32]
_FULL_ROWS = np.array([1, 2, 4, 8])  # ends of five cells


def code_sparse(stream: JointStream, shape: tuple[int, int], truth: LevelSteps | None) -> LevelSteps:
    """Write or read whole numbers [out, in] up to 2**16; the next matrix is told how many each row has."""
    rows, columns = shape
    if columns > MOST_STEPS:
        raise Damaged
    turned = None if truth is None else np.ascontiguousarray(truth.T)
    stride = stream.number(
        "stride", None if turned is None else stride_of(np.sign(turned)), SHORTEST, LONGEST_STRIDE
    )
    columns_known = _known_of(stream.rows, columns)
    at_steps = _code_places(stream, stride, columns_known, turned)
    at_lines = _code_places(stream, stride, np.zeros(rows, dtype=np.int64), truth)
    cell = stream.number("share", None if turned is None else _cell(turned, at_steps, at_lines), 0, CELLS - 1)
    living = Living(at_steps, at_lines, columns_known, cell, stride)
    beside = None if turned is None else turned[:, at_lines] != 0
    flags = np.zeros((columns, rows), dtype=np.uint8)
    flags[:, at_lines] = code_living_weights(stream.coder, columns, living, beside)
    found = code_signed(stream.coder, flags, stride, turned)
    stream.rows = flags.sum(axis=0, dtype=np.int64)
    return np.ascontiguousarray(found.T)


def _code_places(stream: JointStream, stride: int, known: Ints, truth: LevelSteps | None) -> Ints:
    """Write or read which lines hold anything: their numbers; truth [lines, ...]."""
    living: Ints | None = None if truth is None else np.any(truth, axis=1).astype(np.int64)
    return np.flatnonzero(code_living(stream.coder, stride, known, living))


def _cell(turned: LevelSteps, steps: Ints, lines: Ints) -> int:
    share = (np.count_nonzero(turned) << 16) // max(1, len(steps) * len(lines))
    return int(cell_of(np.array([share]))[0])


def _known_of(rows: Ints | None, columns: int) -> Ints:
    """What is known of each column [in]: how full the row is that makes it, in six cells, 0 for nothing.

    Columns belong to rows of the matrix before in turn, equally many to each: windows of a kernel, or the
    places of a map that was laid out in a row.
    """
    if rows is None or not len(rows) or columns % len(rows):
        return np.zeros(columns, dtype=np.int64)
    return np.repeat(1 + np.searchsorted(_FULL_ROWS, rows, side="right"), columns // len(rows))
