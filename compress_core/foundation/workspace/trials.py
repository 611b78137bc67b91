"""The recipes that a visitor tried, with their numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from compress_core.foundation.workspace.database import Database
from compress_core.foundation.workspace.json_text import Json, as_text


@dataclass(frozen=True)
class Trial:
    """One recipe as it was tried; time in seconds, as in Unix."""

    number: int
    visitor: str
    subject: str
    model: str
    recipe: Json
    numbers: dict[str, Json]
    time: float


@dataclass(frozen=True, eq=False)
class Trials:
    """The log of all visitors; a line is never changed."""

    database: Database
    clock: Callable[[], float]

    def log(self, visitor: str, subject: str, model: str, recipe: Json, numbers: dict[str, Json]) -> int:
        """Write a line and give its number, which only grows."""
        with self.database.writing() as connection:
            made = connection.execute(
                "INSERT INTO trials (visitor, subject, model, recipe, numbers, time) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (visitor, subject, model, as_text(recipe), as_text(numbers), self.clock()),
            )
            assert made.lastrowid is not None, "an insertion has a number"
            return made.lastrowid

    def of(self, visitor: str, subject: str) -> tuple[Trial, ...]:
        """What a visitor tried on a model as loaded, in the order of trying."""
        rows = self.database.rows(
            "SELECT id, model, recipe, numbers, time FROM trials "
            "WHERE visitor = ? AND subject = ? ORDER BY id",
            visitor,
            subject,
        )
        return tuple(
            Trial(number, visitor, subject, model, json.loads(recipe), json.loads(numbers), time)
            for number, model, recipe, numbers, time in rows
        )
