"""Lines of the log in words and numbers: what changed against what, how big, how good, on how many items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from compress_core.apply.lineage import Lineage, compressed_by, history_sha, recipe_of, trainings_of
from compress_core.foundation.csv_table import UNCHANGED
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.foundation.workspace.trials import Trial
from compress_core.recipe.difference import changes
from compress_core.recipe.reading import read_resolved
from compress_core.recipe.values import ResolvedRecipe
from compress_core.subject.subject import Subject
from dashboard import engine, saved_work, trial_log
from dashboard.lineage_name import lineage_name, methods_text
from dashboard.show import said_of
from dashboard.text import _, current_language
from dashboard.tune.recipe_words import in_short

NOT_YET = N_("not measured yet")
NO_ITEMS = N_("no items were loaded")


@dataclass(frozen=True)
class TriedLine:
    """A line of the log as it is shown; recipe is None where this release cannot read it.

    way: all that was done to get there, a training after the recipe as well.
    """

    trial: Trial
    recipe: ResolvedRecipe | None
    way: Lineage
    what: str
    change: Number

    @property
    def sha(self) -> str:
        """The digest of its recipe; empty for one that does nothing."""
        return self.recipe.sha if self.recipe else ""

    @property
    def recipe_name(self) -> str:
        """What its model is called."""
        return lineage_name(self.way or (compressed_by(self.recipe) if self.recipe else ()))

    @property
    def bytes(self) -> float | None:
        """Bytes of the plain file."""
        return number_in(self.trial, trial_log.BYTES, "byte", "").value

    @property
    def said(self) -> str:
        """The interval of the accuracy change; or why it has none, or was not measured."""
        return said_of(self.change)


def described(subject: Subject, lines: Sequence[Trial]) -> list[TriedLine]:
    """Lines, the newest first, as they are shown."""
    why = NOT_YET if trial_log.SPLIT in subject.splits else NO_ITEMS
    older = (*lines[1:], None)[: len(lines)]
    return [
        TriedLine(
            line,
            recipe_tried(line),
            way_tried(line),
            _what(line, before, number == len(lines) - 1),
            number_in(line, trial_log.CHANGE, "points", why),
        )
        for number, (line, before) in enumerate(zip(lines, older, strict=True))
    ]


def number_in(line: Trial, name: str, unit: str, why: str) -> Number:
    """A number of a line; what was not measured says why."""
    said: Any = line.numbers.get(name)
    return Number.missing(unit, why) if said is None else Number(**said)


def recipe_tried(line: Trial) -> ResolvedRecipe | None:
    """The recipe of a line; None where this release cannot read it."""

    def read() -> tuple[ResolvedRecipe | None]:
        try:
            return (read_resolved(line.recipe),)
        except Refused:
            return (None,)

    return engine.store().get(f"recipe of a line:{line.model}", read, lambda _: 2**12)[0]


def way_tried(line: Trial) -> Lineage:
    """What was done to get to a line's model; empty for the original, and where that cannot be read."""

    def read() -> tuple[Lineage]:
        return (saved_work.way_to(line.model) or (),)

    return engine.store().get(f"way of a line:{line.model}", read, lambda _: 2**12)[0]


def _what(line: Trial, before: Trial | None, is_last: bool) -> str:
    """What changed against the recipe that was changed, which is said where the line before has another."""
    there = (line.made_from, line.model, before.model if before else "", is_last)
    key = f"words of a line:{current_language()}:{there}"
    return engine.store().get(key, lambda: _said(line, before, is_last), lambda _: 2**10)


def _said(line: Trial, before: Trial | None, is_last: bool) -> str:
    recipe = recipe_tried(line)
    way = saved_work.way_to(line.made_from) if line.made_from else None
    made_from = recipe_of(way) if way is not None else None if line.made_from else _recipe_of(before)
    if recipe is None or made_from is None:
        return _("a recipe that this release cannot read") if recipe is None else ""
    said = _newest_of(line) or in_short(changes(made_from, recipe))
    if is_last or (before is not None and before.model == line.made_from):
        return said
    return _("from {recipe}: {changes}").format(
        recipe=lineage_name(compressed_by(made_from) if way is None else way), changes=said
    )


def _newest_of(line: Trial) -> str:
    """A training, or a recipe put on top of what the line was made from; empty for an edit of a recipe."""
    way = way_tried(line)
    if trainings_of(way):
        return _("trained by {methods}").format(methods="; ".join(map(methods_text, trainings_of(way))))
    if len(way) > 1 and saved_work.way_to(line.made_from) == way[:-1]:
        return _("on top of it: {changes}").format(
            changes=in_short(changes(ResolvedRecipe(()), recipe_of(way)))
        )
    return ""


def _recipe_of(line: Trial | None) -> ResolvedRecipe | None:
    return None if line is None else recipe_tried(line)


def csv_frame(subject: Subject, lines: Sequence[TriedLine]) -> pd.DataFrame:
    """Every line with what it speaks of, as `Provenance` has it: each of them is of another recipe."""
    return pd.DataFrame([_row(subject, line) for line in lines])


def _row(subject: Subject, line: TriedLine) -> Mapping[str, object]:
    accuracy = number_in(line.trial, "accuracy", "share", NOT_YET)
    return {
        "model": subject.name,
        "recipe": line.sha or UNCHANGED,
        "split": line.trial.split,
        "items": line.change.n,
        "history": history_sha(line.way),
        "time": datetime.fromtimestamp(line.trial.time, UTC).isoformat(timespec="seconds"),
        "weights": subject.digest,
        "name": line.trial.name,
        "what_changed": line.what,
        "bytes": line.bytes,
        "accuracy": accuracy.value,
        "accuracy_change_points": line.change.value,
        "low": line.change.low,
        "high": line.change.high,
        "note": "" if line.change.reason is None else line.change.reason,
    }
