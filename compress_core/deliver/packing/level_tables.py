"""Levels as bytes: which kind they are, their few numbers, their tables."""

from __future__ import annotations

from typing import assert_never

import torch
from torch import Tensor

from compress_core.deliver.packing.bytestream import Reader, Writer
from compress_core.deliver.packing.coder import Allowance, Damaged
from compress_core.deliver.packing.numbers import pack_numbers, read_numbers, type_number
from compress_core.levels.any_levels import Levels
from compress_core.levels.exponential import Exponential
from compress_core.levels.grid import Grid
from compress_core.levels.scaled_table import ScaledTable
from compress_core.levels.table import Table

VALUES, GRID, EXPONENTIAL, TABLE, SCALED_TABLE = range(5)  # numbers in a file: never change, only append
_WIDEST = 2**15  # codes are 16 bits wide
_FLOATS, _WHOLE, _SMALL = torch.zeros(0), torch.zeros(0, dtype=torch.uint8), torch.zeros(0, dtype=torch.int8)


def write_levels(writer: Writer, levels: Levels | None) -> None:
    """None stands for values without levels."""
    match levels:
        case None:
            writer.number(VALUES)
            return
        case Grid():
            writer.number(GRID)
            writer.signed(levels.low)
            writer.signed(levels.high)
            writer.number(levels.group or 0)
            writer.number(levels.zero_point is not None)
        case Exponential():
            writer.number(EXPONENTIAL)
            writer.number(levels.count)
            writer.number(levels.group or 0)
        case Table():
            writer.number(TABLE)
            writer.number(levels.table.shape[1])
        case ScaledTable():
            writer.number(SCALED_TABLE)
            writer.number(len(levels.table))
            writer.number(levels.group or 0)
        case _:
            assert_never(levels)
    for table in levels.stored().values():
        writer.number(len(table) > 1)
        writer.run(pack_numbers(table))


def read_levels(reader: Reader, rows: int, columns: int, allowance: Allowance | None = None) -> Levels | None:
    """The levels of a weight [rows, columns]; raises Damaged."""
    allowance = allowance or Allowance()
    match reader.number():
        case 0:
            return None
        case 1:
            return _read_grid(reader, rows, columns, allowance)
        case 2:
            count, group = reader.number(), reader.number()
            _refuse_wide(2 * count)
            top = _read_table(reader, _SMALL, (rows, _groups(group, columns)), allowance)
            return Exponential(top.to(torch.int32), count, group or None)
        case 3:
            length = reader.number()
            _refuse_wide(length - 1)
            return Table(_read_table(reader, _FLOATS, (rows, length), allowance))
        case 4:
            return _read_scaled_table(reader, rows, columns, allowance)
        case _:
            raise Damaged


def _read_grid(reader: Reader, rows: int, columns: int, allowance: Allowance) -> Grid:
    low, high, group, shifted = reader.signed(), reader.signed(), reader.number(), reader.number()
    _refuse_wide(high - low)
    _refuse_wide(abs(low))
    groups = _groups(group, columns)
    scale = _read_table(reader, _FLOATS, (rows, groups), allowance)
    zero_point = _read_table(reader, _WHOLE, (rows, groups), allowance) if shifted else None
    return Grid(scale, low, high, zero_point, group or None)


def _read_scaled_table(reader: Reader, rows: int, columns: int, allowance: Allowance) -> ScaledTable:
    length, group = reader.number(), reader.number()
    _refuse_wide(length - 1)
    reader.number()  # a row of numbers says whether it is longer than one, which its length says too
    allowance.take(values=length)
    table = read_numbers(reader.run(), type_number(_FLOATS), (length,), allowance)
    scale = _read_table(reader, _FLOATS, (rows, _groups(group, columns)), allowance)
    return ScaledTable(table, scale, group or None)


def _groups(group: int, columns: int) -> int:
    """How many groups of inputs a row has."""
    return 1 if group == 0 else -(-columns // group)


def _refuse_wide(highest: int) -> None:
    if not 0 <= highest < _WIDEST:
        raise Damaged


def _read_table(reader: Reader, like: Tensor, shape: tuple[int, int], allowance: Allowance) -> Tensor:
    """One line for each row, or one for all; shape [rows, width]."""
    lines = shape[0] if reader.number() else 1
    allowance.take(values=lines * shape[1])
    return read_numbers(reader.run(), type_number(like), (lines, shape[1]), allowance)
