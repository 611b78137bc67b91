"""Tables as files to take away: what they are of stands in them, and a spreadsheet runs none of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
UNCHANGED = "unchanged"
_DIGITS, _OF_A_DIGEST = 8, 64  # of a recipe, as in the name of a model, and all of them
_NOT_IN_A_FILE_NAME = re.compile(r"[^\w.-]+", re.ASCII)


@dataclass(frozen=True)
class Provenance:
    """What the numbers of a download speak of.

    recipe: its sha-256, or "unchanged"; split and items are empty for what was measured on no items.
    item: which one of the split it is, where it is one; file_item: its number in the file, where that is
    another. history: what tells a training after the recipe, or what the recipe was put on top of; empty
    where there was none. name: what the model is called in the name of the file; by its recipe where empty.
    """

    model: str
    recipe: str = UNCHANGED
    split: str = ""
    items: int | None = None
    item: int | None = None
    history: str = ""
    file_item: int | None = None
    name: str = ""

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with model, recipe, split and items as its first columns, the same in every row."""
        about: dict[str, object] = {"model": self.model, "recipe": self.recipe, "split": self.split}
        about["items"] = pd.array([self.items] * len(table), dtype="Int64")
        if self.history:
            about["history"] = self.history
        if self.item is not None:
            about["item"] = self.item
        if self.file_item is not None:
            about["file_item"] = self.file_item
        assert not about.keys() & set(table.columns), "a column of the table has the name of what it is of"
        return pd.concat([pd.DataFrame(about, index=table.index), table], axis="columns")

    def file_name(self, key: str) -> str:
        """A name of a file that tells downloads apart; key: what is in it."""
        judged = [self.split, "" if self.items is None else f"N{self.items}"]
        judged.append("" if self.item is None else f"item{self.item}")
        recipe = self.recipe[:_DIGITS] if len(self.recipe) == _OF_A_DIGEST else self.recipe
        made = self.name or recipe
        parts = filter(None, [self.model[:40], made, *judged, key])
        return "_".join(_NOT_IN_A_FILE_NAME.sub("-", part) for part in parts) + ".csv"


def as_csv(table: pd.DataFrame, provenance: Provenance | None = None) -> bytes:
    """A table as a file to download, safe to open in a spreadsheet.

    provenance: what all of it is of; None where each row says that itself.
    """
    frame = table.rename(columns=_defused)
    frame = frame if provenance is None else provenance.of(frame)
    texts = frame.select_dtypes(exclude=["number", "bool"]).columns
    safe = {c: frame[c].map({cell: _defused(cell) for cell in frame[c].unique()}) for c in texts}
    return frame.assign(**safe).to_csv(index=False).encode()


def _defused(cell: object) -> object:
    """A cell that a spreadsheet would run as a formula, kept as text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(STARTS_A_FORMULA) else cell
