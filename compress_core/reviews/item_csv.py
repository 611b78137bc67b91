"""A CSV file with a row for each item: its number, and one more word about it."""

from __future__ import annotations

import csv
import io

from compress_core.foundation.errors import Refused

ITEM = "item"
_MOST_CHARACTERS = 20_000_000
_MOST_DIGITS = 12


def words_by_item(text: str, column: str) -> dict[int, str]:
    """What the column says of each item, as written; lines that begin with # are left out. Raises Refused."""
    if len(text) > _MOST_CHARACTERS:
        raise Refused("The file has {got:,} characters: give a file of one row an item.", got=len(text))
    lines = (line for line in io.StringIO(text) if not line.startswith("#"))
    try:
        reader = csv.DictReader(lines)
        columns, table = reader.fieldnames or (), list(reader)
    except csv.Error as error:
        raise Refused("The file is no CSV ({reason}): correct that line.", reason=error) from None
    if any(list(columns).count(name) != 1 for name in (ITEM, column)):
        raise Refused(
            "The file needs the columns item and {column}, separated by commas, each of them once: correct "
            "its first line.",
            column=column,
        )
    found: dict[int, str] = {}
    for row in table:
        item = str(row[ITEM]).strip()
        if not item.isdecimal() or len(item) > _MOST_DIGITS or int(item) in found:
            raise Refused(
                "The file has the item {item!r}, which is no number or stands twice: correct it.",
                item=item[:40],
            )
        found[int(item)] = str(row[column] or "").strip()
    return found
