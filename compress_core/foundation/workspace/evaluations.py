"""The numbers that each model got on each list of items."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compress_core.foundation.release import release
from compress_core.foundation.workspace.database import Database
from compress_core.foundation.workspace.json_text import Json, as_text

_ASK = "SELECT model, items, split, n, numbers, evaluations.time, release FROM evaluations"


@dataclass(frozen=True)
class KnownEvaluation:
    """numbers by name, as JSON; items: digest of the n items of a split; time in seconds, as in Unix.

    What was counted without items has no split, and says in items what was counted. is_current: whether this
    very release measured it.
    """

    model: str
    items: str
    split: str
    n: int
    numbers: dict[str, Json]
    time: float
    is_current: bool = True


@dataclass(frozen=True, eq=False)
class Evaluations:
    """One set of numbers for each model, list of items and release."""

    database: Database
    clock: Callable[[], float]

    def keep(self, model: str, split: str, items: str, n: int, numbers: Mapping[str, Json]) -> None:
        """Keep the numbers of a model, instead of those that this release had before."""
        with self.database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?, ?, ?, ?, ?)",
                (model, items, release(), split, n, as_text(numbers), self.clock()),
            )

    def find(self, model: str, items: str) -> KnownEvaluation | None:
        """The numbers of a model on these items, measured by this very release."""
        asked = f"{_ASK} WHERE model = ? AND items = ? AND release = ?"
        return next(map(_evaluation, self.database.rows(asked, model, items, release())), None)

    def of_model(self, model: str) -> tuple[KnownEvaluation, ...]:
        """Everything that this release measured of a model, the oldest first."""
        asked = f"{_ASK} WHERE model = ? AND release = ? ORDER BY evaluations.time, items"
        return tuple(map(_evaluation, self.database.rows(asked, model, release())))

    def of_subject(self, subject: str) -> tuple[KnownEvaluation, ...]:
        """Everything that any release measured of the models of what was loaded, the oldest first."""
        asked = f"{_ASK} JOIN models ON model = key WHERE subject = ? ORDER BY evaluations.time, items"
        return tuple(map(_evaluation, self.database.rows(asked, subject)))

    def has(self, model: str, items: str) -> bool:
        """Whether this very release has measured a model on these items."""
        asked = "SELECT 1 FROM evaluations WHERE model = ? AND items = ? AND release = ?"
        return bool(self.database.rows(asked, model, items, release()))


def _evaluation(row: tuple[Any, ...]) -> KnownEvaluation:
    model, items, split, n, numbers, time, measured_by = row
    return KnownEvaluation(model, items, split, n, json.loads(numbers), time, measured_by == release())
