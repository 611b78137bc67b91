"""A table as text with a character between columns becomes items, row by row. Needs no torch."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO

import numpy as np

from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import AskedItems, ItemArrays, ItemCaps
from compress_core.loading.items import check_float32_bytes
from compress_core.loading.label_column import classes_of, label_column
from compress_core.loading.picture_files import said_of_classes
from compress_core.loading.stored import shown
from compress_core.loading.text_encoding import refuse_utf_16
from compress_core.subject.reading_remarks import ReadingRemarks

SEPARATORS = (",", ";", "\t")


@dataclass
class _Columns:
    """What the rows hold so far: numbers in a row, labels, and in which line of the file each row stands."""

    values: array[float] = field(default_factory=lambda: array("d"))
    labels: list[str] = field(default_factory=list)
    lines: array[int] = field(default_factory=lambda: array("Q"))


def items_in_rows(content: bytes, asked: AskedItems) -> ItemArrays:
    """Numbers [N, columns] and, from one column, labels; a first row without any number names the columns.

    Raises Refused with line and column for what is missing or no number.
    """
    rows = _rows(content, asked.name)
    first = next(rows, None)
    if first is None:
        raise Refused("The table is empty: give a file with a row for each item.")
    line, cells = first
    _check_width(len(cells), asked.caps)
    names = None if any(map(_is_number, cells)) else tuple(cell.strip() for cell in cells)
    column = label_column(names, len(cells), asked.knobs.label_column)
    found = _Columns()
    if names is None:
        _add(found, line, cells, column.place, names)
    for line, row in rows:
        if len(row) != len(cells):
            raise Refused(
                "Line {line} of the table has {got} columns, but the first has {wanted}: every row needs as "
                "many.",
                line=line,
                got=len(row),
                wanted=len(cells),
            )
        if len(found.lines) >= asked.caps.items:
            raise Refused(
                "The table has more than {most:,} rows, more than are read: give fewer.",
                most=asked.caps.items,
            )
        _add(found, line, row, column.place, names)
    return _as_items(found, names, column.place, column.said, len(cells), asked)


def _rows(content: bytes, name: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold anything, each with its line."""
    refuse_utf_16(content, name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(
            "The table is no text in UTF-8 (byte {place:,}): save it as CSV in UTF-8.", place=error.start
        ) from None
    head = text[: 2**16].partition("\n")[0]
    separator = max(SEPARATORS, key=head.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise Refused(
            "Line {line} of the table cannot be read ({reason}): save it as CSV with quotes around cells "
            "that hold the separator.",
            line=reader.line_num,
            reason=str(error),
        ) from None


def _check_width(columns: int, caps: ItemCaps) -> None:
    if not 2 <= columns <= caps.columns:
        raise Refused(
            "The table has {got:,} columns; 2 to {most:,} are read, with ',' or ';' or a tab between them.",
            got=columns,
            most=caps.columns,
        )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _add(found: _Columns, line: int, row: list[str], label: int | None, names: Sequence[str] | None) -> None:
    """Add a row; raises Refused for a cell that is missing or no number."""
    cells = list(row)
    if label is not None:
        answer = cells.pop(label).strip()
        if not answer:
            raise _missing(line, label, names)
        found.labels.append(answer)
    try:
        found.values.extend(map(float, cells))
    except ValueError:
        at = next(place for place, cell in enumerate(row) if place != label and not _is_number(cell))
        raise (_no_number if row[at].strip() else _without_cell)(line, at, names, row[at]) from None
    found.lines.append(line)


def _without_cell(line: int, at: int, names: Sequence[str] | None, _cell: str) -> Refused:
    return _missing(line, at, names)


def _missing(line: int, at: int, names: Sequence[str] | None) -> Refused:
    return Refused(
        "Line {line} of the table has nothing in column '{column}': fill in what is missing, or leave the "
        "row out.",
        line=line,
        column=_called(at, names),
    )


def _no_number(line: int, at: int, names: Sequence[str] | None, cell: str) -> Refused:
    return Refused(
        "Line {line} of the table holds {got!r} in column '{column}', which is no number. Write it as one, "
        "leave the column out, or say that it is the label, with --label-column.",
        line=line,
        got=shown(cell),
        column=_called(at, names),
    )


def _called(at: int, names: Sequence[str] | None) -> str:
    return str(at + 1) if names is None else shown(names[at])


def _as_items(
    found: _Columns,
    names: Sequence[str] | None,
    label: int | None,
    said: str,
    columns: int,
    asked: AskedItems,
) -> ItemArrays:
    features = [place for place in range(columns) if place != label]
    shape = (len(found.lines), len(features))
    if not shape[0]:
        raise Refused("The table has names of columns and no rows: give a row for each item.")
    check_float32_bytes(shape, asked.caps)
    values = np.frombuffer(found.values, dtype=np.float64).reshape(shape)
    broken = np.argwhere(~np.isfinite(values))
    if len(broken):
        row, place = map(int, broken[0])
        cell = values[row, place]
        at, line = features[place], found.lines[row]
        raise _missing(line, at, names) if math.isnan(cell) else _no_number(line, at, names, str(cell))
    labels, classes = classes_of(found.labels, asked.caps) if label is not None else (None, ())
    called = () if names is None else tuple(names[place] for place in features)
    remarks = ReadingRemarks(tuple(filter(None, (said, *said_of_classes(classes, None)))))
    return ItemArrays(values, labels, classes, called, remarks=remarks)
