"""What is said of items that these items have not: a knob that would do nothing is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.items import Items
from compress_core.loading.preprocessing import AS_IT_IS
from compress_core.loading.stored import shown
from compress_core.loading.text_items import TextItems

if TYPE_CHECKING:
    from compress_core.loading.file_format import ItemKnobs
    from compress_core.loading.preprocessing import Preprocessing

AnyItems = Items | TextItems | Path
"""Items, texts, or the file in which either lies."""
_TABLES = (".csv", ".tsv", ".txt", ".parquet")
_PICTURES = (".zip",)


def refuse_idle_knobs(items: AnyItems | None, training: AnyItems | None, knobs: ItemKnobs) -> None:
    """Raise Refused for a column of labels where no items are a table, and a size where none are pictures."""
    given = [one for one in (items, training) if one is not None]
    if knobs.label_column is not None and not any(_ends(one, _TABLES) for one in given):
        raise Refused(
            "The label column {column} is one of a table (.csv, .parquet), but the items are {items}: "
            "leave it out.",
            column=shown(knobs.label_column),
            items=_called(given),
        )
    idle = _of_pictures(knobs.preprocessing)
    if idle and given and not any(_may_be_pictures(one) for one in given):
        raise Refused(
            "Preprocessing says {idle}, which is done to pictures (a folder, a .zip), but the items are "
            "{items} and taken as they are: make them of the right size, and leave that out; images may have "
            "mean and std.",
            idle=idle,
            items=_called(given),
        )


def _of_pictures(how: Preprocessing) -> str:
    """The knobs of a preprocessing that change a picture before it is numbers, as they are typed."""
    usual = f"interpolation={AS_IT_IS.interpolation}"
    return " ".join(word for word in replace(how, mean=None, std=None).as_text().split() if word != usual)


def _may_be_pictures(one: AnyItems) -> bool:
    return _ends(one, _PICTURES) or (isinstance(one, Path) and one.is_dir())


def _ends(one: AnyItems, suffixes: tuple[str, ...]) -> bool:
    return isinstance(one, Path) and one.suffix.lower() in suffixes


def _called(given: list[AnyItems]) -> str | Phrase:
    """What the first items are called, for a sentence."""
    if not given:
        return Phrase("no table")
    first = given[0]
    return shown(first.name) if isinstance(first, Path) else Phrase("arrays")
