"""Every model of a subject that the workspace knows, a row each: what was done, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from compress_core.apply.model import Model
from compress_core.decide import operation_words
from compress_core.deliver.packed_size import PACKED_BYTES, packed_as
from compress_core.foundation.workspace.evaluations import KnownEvaluation
from compress_core.foundation.workspace.model_tree import EVERYBODY, KnownModel
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.measure.behavior.metric import metrics
from compress_core.subject.subject import Subject

VALIDATION = "validation"
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
_UNMEASURED = {"split": "", "n": 0, "is_current": True}
_SIZES = ("bytes", "size_ratio", "sparsity", "macs", PACKED_BYTES)


def model_table(
    subject: Subject, workspace: Workspace, visitor: str | None, split: str = VALIDATION
) -> pd.DataFrame:
    """A row for each model of a subject, the oldest first, with its numbers on all items of a split.

    Columns: those of SAID, then each number as NAME, NAME.low and NAME.high, NaN where it was not measured.
    recipe: the first 12 digits of its digest; what: what was done to the model as loaded, in one line; n: how
    many items, 0 where it was measured on none; is_current: whether this very release measured it.

    visitor: whose tags, notes and names are told. Models that another visitor made are left out, unless
    theirs were made of them; None tells all models, and no tags, notes and names.
    """
    tree = _Tree(Model.original(subject).key, workspace.models.of_subject(subject.digest))
    makers = workspace.models.makers_of_subject(subject.digest)
    items = subject.splits[split].digest if split in subject.splits else ""
    measured = _measured(workspace.evaluations.of_subject(subject.digest), items, packed_as(subject.name))
    said = _said_by(workspace, visitor)
    rows = [
        {**tree.row(key), "is_own": visitor in makers.get(key, ()), **said.row(key), **measured.get(key, {})}
        for key in tree.seen_by(visitor, makers)
    ]
    return _framed(rows)


class _Tree:
    """The models below one root, by key."""

    def __init__(self, root: str, models: Iterable[KnownModel]) -> None:
        self._by_key = {model.key: model for model in models}
        self._root = root
        self._lines: dict[str, tuple[KnownModel, ...]] = {}

    def line(self, key: str) -> tuple[KnownModel, ...]:
        """From the root down to a model; equal weights that other code runs have a root of their own."""
        if key not in self._lines:
            model = self._by_key[key]
            before = () if model.parent is None else self.line(model.parent)
            self._lines[key] = (*before, model)
        return self._lines[key]

    def seen_by(self, visitor: str | None, makers: Mapping[str, frozenset[str]]) -> list[str]:
        """What a visitor made or nobody in particular did, and all on the way there."""
        below = [key for key in self._by_key if self.line(key)[0].key == self._root]
        shown = {visitor, EVERYBODY}
        leaves = [
            key
            for key in below
            if visitor is None or key == self._root or shown & makers.get(key, frozenset())
        ]
        seen = {model.key for key in leaves for model in self.line(key)}
        return [key for key in below if key in seen]

    def row(self, key: str) -> dict[str, object]:
        line = self.line(key)
        operations = [model.operation for model in line[1:]]
        latest = operations[-1] if operations else None
        recipes = [sha for done in operations if (sha := operation_words.recipe_sha(done))]
        return {
            "key": key,
            "parent": line[-1].parent,
            "name": operation_words.name_of(operations),
            "operation": operation_words.kind_of_operation(latest),
            "recipe": recipes[-1][:12] if recipes else "",
            "what": operation_words.what_was_done(operations),
            "seed": operation_words.seed_of(latest),
            "time": line[-1].time,
            **_UNMEASURED,
        }


@dataclass(frozen=True)
class _Said:
    """What one visitor calls models, and says of them, by key."""

    names: Mapping[str, str]
    tags: Mapping[str, tuple[str, ...]]
    notes: Mapping[str, str]

    def row(self, key: str) -> dict[str, object]:
        named = {"name": self.names[key]} if key in self.names else {}
        return {**named, "tags": self.tags.get(key, ()), "note": self.notes.get(key, "")}


def _said_by(workspace: Workspace, visitor: str | None) -> _Said:
    if visitor is None:
        return _Said({}, {}, {})
    remarks = workspace.remarks
    return _Said(workspace.trials.names(visitor), remarks.all_tags(visitor), remarks.newest_notes(visitor))


def _measured(
    evaluations: Iterable[KnownEvaluation], items: str, packed: str
) -> dict[str, dict[str, object]]:
    """Numbers by the key of their model, of these items and without items; those of this release go first."""
    found: dict[str, dict[str, object]] = {}
    for known in sorted(evaluations, key=lambda known: known.is_current):
        if known.items not in {items, packed} or not known.items:
            continue
        row = found.setdefault(known.model, {})
        if known.items == items:
            row.update(split=known.split, n=known.n, is_current=known.is_current)
        for name, number in known.numbers.items():
            row.update(_number(name, number))
    return found


def _number(name: str, number: Any) -> dict[str, object]:
    return {name: number["value"], f"{name}.low": number["low"], f"{name}.high": number["high"]}


def _framed(rows: list[dict[str, object]]) -> pd.DataFrame:
    measured = {name.partition(".")[0]: None for row in rows for name in row if name not in SAID}
    numbers = dict.fromkeys([*metrics(), *_SIZES, *measured])
    columns = [place for name in numbers for place in (name, f"{name}.low", f"{name}.high")]
    frame = pd.DataFrame(rows, columns=[*SAID, *columns])
    frame[columns] = frame[columns].astype(float)
    frame["seed"] = frame["seed"].astype("Int64")
    frame["n"] = frame["n"].astype(int)
    frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True)
    return frame
