"""What a layer list carries to the browser: a row for each layer, its cells, and what was refused in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from compress_core.foundation.printable import printable

Column = Literal["prune", "rank", "bits"]
COLUMNS: tuple[Column, ...] = get_args(Column)
FixedKind = Literal["exact", "measured", "missing", "pending"]


@dataclass(frozen=True)
class EditableCell:
    """A number that can be typed.

    text: as the recipe has it, empty where it says nothing; order: by which it is sorted, placeholder: what
    stands in an empty cell. note: what came of it, where that is another number; title says more on hover.
    beforehand: what typing here does besides, said below the row before it is done.
    refusal: why what was typed last could not be done; the cell keeps it.
    """

    text: str
    order: float
    placeholder: str
    note: str = ""
    title: str = ""
    beforehand: str = ""
    typed: str = ""
    refusal: str = ""

    def as_json(self) -> dict[str, object]:
        """Its fields as they are."""
        return dict(vars(self))


@dataclass(frozen=True)
class FixedCell:
    """A number that is read only; order None where there is none, which is sorted last.

    kind has the meaning of `Number.kind`; missing: not measured, pending: not yet.
    """

    text: str
    order: float | None
    kind: FixedKind = "exact"
    title: str = ""

    def as_json(self) -> dict[str, object]:
        """Its fields as they are."""
        return dict(vars(self))


@dataclass(frozen=True)
class LayerRow:
    """One layer. bar: its bytes now and as loaded, as shares of the largest layer as loaded.

    sensitivity: None where it was not scanned; the column is there where any layer was.
    """

    name: str
    kind: str
    shape: str
    is_locked: bool
    cells: Mapping[Column, EditableCell]
    size: FixedCell
    bar: tuple[float, float]
    error: FixedCell
    sensitivity: FixedCell | None = None

    def as_json(self) -> dict[str, object]:
        """The row; `name` is what is shown, `id` the name that the network has."""
        return {
            "id": self.name,
            "name": printable(self.name),
            "kind": self.kind,
            "shape": self.shape,
            "locked": self.is_locked,
            "cells": {column: cell.as_json() for column, cell in self.cells.items()},
            "size": self.size.as_json(),
            "bar": [round(share, 4) for share in self.bar],
            "error": self.error.as_json(),
            "sensitivity": None if self.sensitivity is None else self.sensitivity.as_json(),
        }
