"""The levels of some rows alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from torch import Tensor

from compress_core.levels.any_levels import Levels
from compress_core.levels.exponential import Exponential
from compress_core.levels.grid import Grid
from compress_core.levels.scaled_table import ScaledTable
from compress_core.levels.table import Table

L = TypeVar("L", Tensor, Tensor | None)


def levels_of_rows(levels: Levels, rows: Tensor) -> Levels:
    """The levels that belong to these rows [n] of a weight; what all rows share stays."""
    match levels:
        case Grid():
            return replace(
                levels, scale=_of(levels.scale, rows), zero_point=_of(levels.zero_point, rows), clips=True
            )
        case Exponential():
            return replace(levels, top=_of(levels.top, rows))
        case Table():
            return Table(_of(levels.table, rows))
        case ScaledTable():
            return replace(levels, scale=_of(levels.scale, rows))


def inputs_sharing_a_scale(levels: Levels) -> int | None:
    """How many neighboring inputs of a row share a scale; None where all do."""
    return None if isinstance(levels, Table) else levels.group


def _of(by_row: L, rows: Tensor) -> L:
    if by_row is None or by_row.shape[0] == 1:
        return by_row
    return by_row.index_select(0, rows)
