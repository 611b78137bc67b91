"""What the steps of a weight from zero stand for, in the stream that small tensors share.

Rows that hold nothing but zeros need no levels: a file says none for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np
import torch
from torch import Tensor

from compress_core.deliver.packing.coder import Damaged, Ints
from compress_core.deliver.packing.joint_stream import JointStream
from compress_core.deliver.packing.level_tables import EXPONENTIAL, GRID, SCALED_TABLE, TABLE
from compress_core.deliver.packing.small_numbers import code_small
from compress_core.deliver.packing.sparse_matrix import LevelSteps
from compress_core.levels.any_levels import Levels
from compress_core.levels.exponential import Exponential
from compress_core.levels.grid import Grid
from compress_core.levels.scaled_table import ScaledTable
from compress_core.levels.table import Table

_LONGEST_TABLE = 2**15  # codes are 16 bits wide
_MOST_COLUMNS = 2**31
_LARGEST_EXPONENT = 2**12


@dataclass(frozen=True)
class LivingRows:
    """The rows of a weight [out, in] that hold anything, by their numbers [n]."""

    at: Ints
    out: int
    columns: int

    def code(self, stream: JointStream, width: int, truth: Tensor | None, like: Tensor) -> Tensor:
        """Write or read a table [1, width] or [out, width]; rows that hold nothing have `like` []."""
        one = stream.number("rows", None if truth is None else int(len(truth) == 1), 0, 1)
        lines = 1 if one else len(self.at)
        stream.take(width * (1 if one else self.out))
        known = None if truth is None or one else truth[torch.from_numpy(self.at)]
        likely = np.zeros(lines * width, dtype=np.int64)
        found = code_small(stream, (lines, width), like.dtype, truth if one else known, likely)
        if one:
            return found
        table = like.repeat(self.out, width)
        table[torch.from_numpy(self.at)] = found
        return table

    def groups(self, group: int | None) -> int:
        """How many groups of columns have levels of their own."""
        return 1 if group is None else -(-self.columns // group)


def code_levels(stream: JointStream, rows: LivingRows, truth: Levels | None) -> Levels:
    """Write or read levels whose codes are counted from zero, those of a codebook from its lowest level."""
    kind = stream.number("levels", None if truth is None else _kind_of(truth), GRID, SCALED_TABLE)
    if kind == TABLE:
        table = truth.table if isinstance(truth, Table) else None
        length = _length(stream, table)
        return Table(rows.code(stream, length, table, torch.tensor(0.0)))
    group = _group(stream, truth)
    width = rows.groups(group)
    if kind == EXPONENTIAL:
        lowest = truth.top.to(torch.int64) - truth.count if isinstance(truth, Exponential) else None
        lowest = rows.code(stream, width, lowest, torch.tensor(0))
        return Exponential(lowest.clamp(-_LARGEST_EXPONENT, _LARGEST_EXPONENT).to(torch.int32), 0, group)
    scale = truth.scale.to(torch.float32) if isinstance(truth, Grid | ScaledTable) else None
    scale = rows.code(stream, width, scale, torch.tensor(1.0))
    if kind == GRID:
        return Grid(scale, 0, 0, None, group)
    table = truth.table if isinstance(truth, ScaledTable) else None
    length = _length(stream, table)
    likely = np.zeros(length, dtype=np.int64)
    return ScaledTable(code_small(stream, (length,), torch.float32, table, likely), scale, group)


def _kind_of(levels: Levels) -> int:
    match levels:
        case Grid():
            return GRID
        case Exponential():
            return EXPONENTIAL
        case Table():
            return TABLE
        case ScaledTable():
            return SCALED_TABLE
        case _:
            assert_never(levels)


def _length(stream: JointStream, table: Tensor | None) -> int:
    """How many levels a table [..., levels] has."""
    length = stream.number("length", None if table is None else table.shape[-1], 1, _LONGEST_TABLE)
    stream.take(length)
    return length


def _group(stream: JointStream, levels: Levels | None) -> int | None:
    said = None if levels is None or isinstance(levels, Table) else levels.group or 0
    return stream.number("group", said, 0, _MOST_COLUMNS) or None


def zero_levels(levels: Table | ScaledTable) -> tuple[Ints, Ints]:
    """Of each row of a table: where zero stands or would [rows, 1], and whether it does [rows, 1] bool."""
    table = (levels.table if isinstance(levels, Table) else levels.table[None]).numpy()
    negative = np.signbit(table)
    is_zero = (table == 0) & ~negative
    found = is_zero.any(axis=1, keepdims=True)
    place = np.where(found[:, 0], is_zero.argmax(axis=1), negative.sum(axis=1))
    return place[:, None], found


def steps_to_codes(steps: LevelSteps, levels: Levels) -> LevelSteps:
    """The codes [out, in] of steps from zero [out, in]; raises Damaged where a table has no such level."""
    if not isinstance(levels, Table | ScaledTable):
        return steps
    zero, holds_zero = zero_levels(levels)
    codes: LevelSteps = np.where(steps == 0, 0, steps + zero - (~holds_zero & (steps > 0))).astype(np.int32)
    if codes.size and not 0 <= codes.min() <= codes.max() <= levels.high:
        raise Damaged
    return codes
