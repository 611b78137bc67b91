"""Every model of a subject that the workspace knows as a table, a row each."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from compress_core.apply.model import Model
from compress_core.decide.model_rows import VALIDATION, ModelRow, WhichNumbers, model_rows
from compress_core.deliver.packed_size import PACKED_BYTES, packed_as
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.measure.behavior.metric import metrics
from compress_core.subject.subject import Subject

SAID = (
    "key",
    "parent",
    "name",
    "operation",
    "recipe",
    "what",
    "seed",
    "time",
    "split",
    "n",
    "tags",
    "note",
    "is_own",
    "is_current",
)
_SIZES = ("bytes", "size_ratio", "sparsity", "macs", PACKED_BYTES)


def model_table(
    subject: Subject, workspace: Workspace, visitor: str | None, split: str = VALIDATION
) -> pd.DataFrame:
    """A row for each model of a subject, the oldest first, with its numbers on all items of a split.

    Columns: those of SAID, then each number as NAME, NAME.low and NAME.high, NaN where it was not measured.
    recipe: the first 12 digits of its digest; what: what was done to the model as loaded, in one line; n: how
    many items, 0 where it was measured on none; is_current: whether this very release measured it.

    visitor: whose tags, notes and names are told. Models that another visitor made are left out, unless
    theirs were made of them; None tells all models, and what was said of them on the command line.
    """
    items = subject.splits[split].digest if split in subject.splits else ""
    measured = WhichNumbers(split, items, packed_as(subject.name))
    root = Model.original(subject).key
    return _framed(model_rows(workspace, root, subject.digest, measured, visitor))


def _framed(rows: Sequence[ModelRow]) -> pd.DataFrame:
    names = dict.fromkeys([*metrics(), *_SIZES, *(name for row in rows for name in row.numbers)])
    columns = [place for name in names for place in (name, f"{name}.low", f"{name}.high")]
    frame = pd.DataFrame([_record(row) for row in rows], columns=[*SAID, *columns])
    frame[columns] = frame[columns].astype(float)
    frame["seed"] = frame["seed"].astype("Int64")
    frame["n"] = frame["n"].astype(int)
    frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True)
    return frame


def _record(row: ModelRow) -> dict[str, object]:
    record = row.said()
    for name, number in row.numbers.items():
        record |= {
            name: number["value"],
            f"{name}.low": number["low"],
            f"{name}.high": number["high"],
        }
    return record
