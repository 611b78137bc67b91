"""Every model of a tree that the workspace knows: what was done, what is known of it, who may see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compress_core.decide import operation_words
from compress_core.foundation.workspace.evaluations import KnownEvaluation
from compress_core.foundation.workspace.model_tree import EVERYBODY, KnownModel
from compress_core.foundation.workspace.workspace import Workspace

VALIDATION = "validation"
_DIGITS = 12


@dataclass(frozen=True)
class ModelRow:
    """One model; operations: what was done to the model as loaded, as plain values.

    numbers: by name, in the form of our JSON, on n items of a split; what needs no items stands there too.
    is_current: whether this very release measured them. Names, tags and the newest note are a visitor's own.
    """

    model: KnownModel
    operations: tuple[Any, ...]
    is_own: bool = False
    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    split: str = ""
    n: int = 0
    is_current: bool = True
    numbers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def said(self) -> dict[str, object]:
        """What a table says of it beside its numbers, by column."""
        recipes = [sha for done in self.operations if (sha := operation_words.recipe_sha(done))]
        latest = self.operations[-1] if self.operations else None
        return {
            "key": self.model.key,
            "parent": self.model.parent,
            "name": self.name or operation_words.name_of(self.operations),
            "operation": operation_words.kind_of_operation(latest),
            "recipe": recipes[-1][:_DIGITS] if recipes else "",
            "what": operation_words.what_was_done(self.operations),
            "seed": operation_words.seed_of(latest),
            "time": self.model.time,
            "split": self.split,
            "n": self.n,
            "tags": self.tags,
            "note": self.note,
            "is_own": self.is_own,
            "is_current": self.is_current,
        }


@dataclass(frozen=True)
class WhichNumbers:
    """Which numbers count: of a split, of these items, with the packed size that was noted under this word.

    items or packed None: whichever was measured last.
    """

    split: str = VALIDATION
    items: str | None = None
    packed: str | None = None

    def takes(self, known: KnownEvaluation) -> bool:
        """Whether an evaluation counts."""
        if not known.split:
            return self.packed is None or known.items == self.packed
        return known.items == self.items if self.items is not None else known.split == self.split


def model_rows(
    workspace: Workspace, root: str, subject: str, measured: WhichNumbers, visitor: str | None
) -> tuple[ModelRow, ...]:
    """A row for each model below a root, the oldest first.

    visitor: whose names, tags and notes are told. Models that another visitor made are left out, unless
    theirs were made of them; None tells all models, and what was said of them on the command line.
    """
    lines = _lines(workspace.models.of_subject(subject), root)
    makers = workspace.models.makers_of_subject(subject)
    numbers = _numbers(workspace.evaluations.of_subject(subject), measured)
    said = _said_by(workspace, EVERYBODY if visitor is None else visitor)
    return tuple(
        ModelRow(
            lines[key][-1],
            tuple(model.operation for model in lines[key][1:]),
            visitor in makers.get(key, ()),
            **said.of(key),
            **numbers.get(key, {}),
        )
        for key in _seen(lines, makers, visitor)
    )


def _lines(models: Iterable[KnownModel], root: str) -> dict[str, tuple[KnownModel, ...]]:
    """The way from the root to each model below it; equal weights that other code runs have another root."""
    by_key = {model.key: model for model in models}
    found: dict[str, tuple[KnownModel, ...]] = {}
    for key, model in by_key.items():
        way = [model]
        while way[-1].parent is not None:
            way.append(by_key[way[-1].parent])
        if way[-1].key == root:
            found[key] = tuple(reversed(way))
    return found


def _seen(
    lines: Mapping[str, tuple[KnownModel, ...]], makers: Mapping[str, frozenset[str]], visitor: str | None
) -> list[str]:
    """What a visitor made or nobody in particular did, and all on the way there; the root always."""
    if visitor is None:
        return list(lines)
    shown = {visitor, EVERYBODY}
    own = [key for key in lines if len(lines[key]) == 1 or shown & makers.get(key, frozenset())]
    seen = {model.key for key in own for model in lines[key]}
    return [key for key in lines if key in seen]


@dataclass(frozen=True)
class _Said:
    """What one visitor calls models, and says of them, by key."""

    names: Mapping[str, str]
    tags: Mapping[str, tuple[str, ...]]
    notes: Mapping[str, str]

    def of(self, key: str) -> dict[str, Any]:
        return {
            "name": self.names.get(key, ""),
            "tags": self.tags.get(key, ()),
            "note": self.notes.get(key, ""),
        }


def _said_by(workspace: Workspace, visitor: str) -> _Said:
    remarks = workspace.remarks
    return _Said(workspace.trials.names(visitor), remarks.all_tags(visitor), remarks.newest_notes(visitor))


def _numbers(evaluations: Iterable[KnownEvaluation], measured: WhichNumbers) -> dict[str, dict[str, Any]]:
    """Fields of a row by key; what this release measured goes before what another did."""
    found: dict[str, dict[str, Any]] = {}
    for known in sorted(evaluations, key=lambda known: known.is_current):
        if measured.takes(known):
            row = found.setdefault(known.model, {"numbers": {}})
            if known.split:
                row.update(split=known.split, n=known.n, is_current=known.is_current)
            row["numbers"] = {**row["numbers"], **known.numbers}
    return found
