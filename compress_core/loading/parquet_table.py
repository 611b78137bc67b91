"""A parquet file becomes items: what it announces is looked at before a column is read. Needs no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import AskedItems, ItemArrays
from compress_core.loading.items import check_float32_bytes
from compress_core.loading.label_column import classes_of, label_column
from compress_core.loading.picture_files import said_of_classes
from compress_core.loading.stored import shown
from compress_core.subject.reading_remarks import ReadingRemarks

_INDEX = "__index_level_"  # a column that pandas adds
_LARGEST_TEXT = 2**20
_MOST_PARTS = 2**17
_BROKEN = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError)


def items_in_parquet(content: bytes, asked: AskedItems) -> ItemArrays:
    """Numbers [N, columns] and, from one column, labels; raises Refused with row and column."""
    try:
        file = pq.ParquetFile(
            pa.BufferReader(content),
            thrift_string_size_limit=_LARGEST_TEXT,
            thrift_container_size_limit=_MOST_PARTS,
            memory_map=False,
        )
        names = _checked_names(file, asked)
        column = label_column(names, len(names), asked.knobs.label_column)
        table = file.read(columns=list(names), use_threads=False)
        features = [name for place, name in enumerate(names) if place != column.place]
        values = _numbers(table, features)
        answers = None if column.place is None else _texts(table, names[column.place])
    except Refused:
        raise
    except _BROKEN as broken:
        raise Refused(
            "The parquet file is cut off, damaged or written in a way that is not read: save the table anew, "
            "with plain columns of numbers."
        ) from broken
    labels, classes = (None, ()) if answers is None else classes_of(answers, asked.caps)
    remarks = ReadingRemarks(tuple(filter(None, (column.said, *said_of_classes(classes, None)))))
    return ItemArrays(values, labels, classes, tuple(features), remarks=remarks)


def _checked_names(file: Any, asked: AskedItems) -> tuple[str, ...]:
    """The columns that are read, after what the file announces was found to be within the caps."""
    told, schema = file.metadata, file.schema_arrow
    names = [name for name in schema.names if not name.startswith(_INDEX)]
    if not 2 <= len(names) <= asked.caps.columns or len(set(names)) < len(names):
        raise Refused(
            "The table has {got:,} columns; 2 to {most:,} are read, each with a name of its own.",
            got=len(names),
            most=asked.caps.columns,
        )
    if not 1 <= told.num_rows <= asked.caps.items:
        raise Refused(
            "The table has {got:,} rows; 1 to {most:,} are read: give a row for each item.",
            got=told.num_rows,
            most=asked.caps.items,
        )
    unpacked = sum(told.row_group(place).total_byte_size for place in range(told.num_row_groups))
    if not 0 <= unpacked <= asked.caps.unpacked_bytes:
        raise Refused(
            "The table would unpack to {got:,} bytes; at most {most:,} are read. Give fewer rows.",
            got=unpacked,
            most=asked.caps.unpacked_bytes,
        )
    check_float32_bytes((told.num_rows, len(names)), asked.caps)
    return tuple(names)


def _numbers(table: Any, features: list[str]) -> npt.NDArray[np.float32]:
    found = np.empty((table.num_rows, len(features)), np.float32)
    for place, name in enumerate(features):
        column = table.column(name)
        if not (_is_number(column.type) or pa.types.is_boolean(column.type)):
            raise Refused(
                "The column '{column}' holds {kind}, which is no number. Leave it out, or say that it is the "
                "label, with --label-column.",
                column=shown(name),
                kind=shown(str(column.type)),
            )
        _check_there(column, name)
        values = column.to_numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            found[:, place] = values
        broken = np.flatnonzero(~np.isfinite(found[:, place]))
        if len(broken):
            raise _not_there(int(broken[0]), name)
    return found


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _texts(table: Any, name: str) -> list[str]:
    """The cells of the label column as text; whole numbers with a fraction of zero are whole."""
    column = table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if not (
        _is_number(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
    ):
        raise Refused(
            "The label column '{column}' holds {kind}: labels are whole numbers or names. Choose another "
            "with --label-column.",
            column=shown(name),
            kind=shown(str(kind)),
        )
    _check_there(column, name)
    if pa.types.is_boolean(kind):
        return [str(int(cell)) for cell in column.to_pylist()]
    return [str(cell).strip() for cell in column.to_pylist()]


def _check_there(column: Any, name: str) -> None:
    if column.null_count:
        raise _not_there(int(np.flatnonzero(column.is_null().to_numpy())[0]), name)


def _not_there(row: int, name: str) -> Refused:
    return Refused(
        "Row {row:,} of the table has no finite number in column '{column}': fill in what is missing, or "
        "leave the row out.",
        row=row + 1,
        column=shown(name),
    )
