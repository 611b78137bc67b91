"""Which models a visitor looked at on items that should be looked at once: those of a test split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compress_core.foundation.workspace.database import Database


@dataclass(frozen=True, eq=False)
class Looks:
    """For each visitor, model as loaded and list of items: what was looked at there, each model once."""

    database: Database
    clock: Callable[[], float]

    def note(self, visitor: str, subject: str, items: str, model: str) -> int:
        """Note a look, and say how many models were looked at there; the same model again is no new look."""
        if not self._has(visitor, subject, items, model):
            with self.database.writing() as connection:
                connection.execute(
                    "INSERT INTO looks VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (visitor, subject, items, model, self.clock()),
                )
        return self.count(visitor, subject, items)

    def count(self, visitor: str, subject: str, items: str) -> int:
        """How many models a visitor looked at on these items."""
        asked = "SELECT COUNT(*) FROM looks WHERE visitor = ? AND subject = ? AND items = ?"
        return int(self.database.rows(asked, visitor, subject, items)[0][0])

    def of_all(self, subject: str, items: str) -> tuple[int, float | None]:
        """How many different models anybody looked at on these items, and when the first of them was."""
        asked = "SELECT COUNT(DISTINCT model), MIN(time) FROM looks WHERE subject = ? AND items = ?"
        count, first = self.database.rows(asked, subject, items)[0]
        return int(count), first

    def _has(self, visitor: str, subject: str, items: str, model: str) -> bool:
        asked = "SELECT 1 FROM looks WHERE visitor = ? AND subject = ? AND items = ? AND model = ?"
        return bool(self.database.rows(asked, visitor, subject, items, model))
