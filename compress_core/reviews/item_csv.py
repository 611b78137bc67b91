"""A CSV file with a row for each item: its number, and one more word about it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from compress_core.foundation.errors import Refused
from compress_core.measure.behavior.item_table import FILE_ITEM, ITEM
from compress_core.subject.split import Split

_MOST_CHARACTERS = 20_000_000
_MOST_DIGITS = 12


def words_by_item(text: str, column: str, split: Split) -> dict[int, str]:
    """What the column says of each item of a split, as written; lines that begin with # are left out.

    The column item has their numbers in the split; where it is absent, file_item has those in the file that
    they came from, and whatever is said of its other items is left out. Raises Refused.
    """
    if len(text) > _MOST_CHARACTERS:
        raise Refused("The file has {got:,} characters: give a file of one row an item.", got=len(text))
    lines = (line for line in io.StringIO(text) if not line.startswith("#"))
    try:
        reader = csv.DictReader(lines)
        columns, table = reader.fieldnames or (), list(reader)
    except csv.Error as error:
        raise Refused("The file is no CSV ({reason}): correct that line.", reason=error) from None
    numbered_by = ITEM if ITEM in columns else FILE_ITEM
    if any(list(columns).count(name) != 1 for name in (numbered_by, column)):
        raise Refused(
            "The file needs the columns item (or file_item) and {column}, separated by commas, each of them "
            "once: correct its first line.",
            column=column,
        )
    found: dict[int, str] = {}
    for row in table:
        item = str(row[numbered_by]).strip()
        if not item.isdecimal() or len(item) > _MOST_DIGITS or int(item) in found:
            raise Refused(
                "The file has the item {item!r}, which is no number or stands twice: correct it.",
                item=item[:40],
            )
        found[int(item)] = str(row[column] or "").strip()
    return found if numbered_by == ITEM else _in_split(found, split)


def _in_split(found: Mapping[int, str], split: Split) -> dict[int, str]:
    """The same by the numbers in a split, where they were those in the file."""
    if split.numbers is None:
        return dict(found)
    numbers = enumerate(split.numbers.tolist())
    return {item: found[number] for item, number in numbers if number in found}
