"""Which column of a table holds the labels, and how what stands there becomes classes. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.file_format import ItemCaps
from compress_core.loading.stored import shown
from compress_core.subject.reading_remarks import some_of

NONE = "none"
_USUAL = ("label", "labels", "target", "class", "y")
_WHOLE = re.compile(r"[+-]?\d{1,9}(\.0*)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class LabelColumn:
    """Where the labels stand, counted from 0; None where they stand nowhere. said: how that was found."""

    place: int | None
    said: str = ""


def label_column(names: Sequence[str] | None, columns: int, asked: str | None) -> LabelColumn:
    """The column that is asked for by name or number, else the one that is called so, else the last.

    names: of the columns, where there are any. Raises Refused where the one asked for is not there.
    """
    if asked is not None:
        return LabelColumn(None if asked.lower() == NONE else _asked_for(names, columns, asked))
    if names is not None:
        for usual in _USUAL:
            found = [place for place, name in enumerate(names) if name.strip().lower() == usual]
            if len(found) == 1:
                return LabelColumn(
                    found[0],
                    Phrase("The column '{column}' was taken as the label.", column=shown(names[found[0]])),
                )
    last = shown(names[-1]) if names is not None else str(columns)
    return LabelColumn(
        columns - 1,
        Phrase(
            "No column is called label or target, so the last one, '{column}', was taken as the label. Name "
            "another with --label-column, or none.",
            column=last,
        ),
    )


def _asked_for(names: Sequence[str] | None, columns: int, asked: str) -> int:
    if names is not None and asked in names:
        return list(names).index(asked)
    if asked.isascii() and asked.isdecimal() and len(asked) < 7 and 1 <= int(asked) <= columns:
        return int(asked) - 1
    raise Refused(
        "The table has no column '{column}'; it has {columns} columns{names}: name one of them, give its "
        "number from 1, or none.",
        column=shown(asked),
        columns=columns,
        names="" if names is None else f", {some_of(map(shown, names))}",
    )


def classes_of(
    labels: Sequence[str], caps: ItemCaps
) -> tuple[npt.NDArray[np.int64] | npt.NDArray[np.float32], tuple[str, ...]]:
    """Labels as numbers [N] from 0, and the names they stand for; numbers are taken as they are.

    Where one has a fraction, all are real numbers, to be predicted. Raises Refused for too many classes.
    """
    distinct = sorted(set(labels))
    if all(_WHOLE.fullmatch(label) for label in distinct):
        values = {label: int(label.partition(".")[0]) for label in distinct}
        return np.array([values[label] for label in labels], dtype=np.int64), ()
    if all(_NUMBER.fullmatch(label) for label in distinct):
        return np.array([float(label) for label in labels]).astype(np.float32), ()
    if len(distinct) > caps.classes:
        raise Refused(
            "The label column holds {got:,} different names, more than the {most:,} classes that are read: "
            "choose another column with --label-column.",
            got=len(distinct),
            most=caps.classes,
        )
    places = {label: place for place, label in enumerate(distinct)}
    return np.array([places[label] for label in labels], dtype=np.int64), tuple(distinct)
