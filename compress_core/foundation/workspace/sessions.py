"""Where visitors were: what each had set for each model, so that a closed tab loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from compress_core.foundation.workspace.database import Database
from compress_core.foundation.workspace.json_text import Json, as_text


@dataclass(frozen=True)
class SavedSession:
    """A visitor's state of work on a model as loaded; time in seconds, as in Unix."""

    visitor: str
    subject: str
    content: Json
    time: float


@dataclass(frozen=True, eq=False)
class Sessions:
    """The newest state for each visitor and model."""

    database: Database
    clock: Callable[[], float]

    def save(self, visitor: str, subject: str, content: Json) -> None:
        """Keep a state of work, instead of the one before."""
        with self.database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?)",
                (visitor, subject, as_text(content), self.clock()),
            )

    def of(self, visitor: str) -> tuple[SavedSession, ...]:
        """Everything that a visitor has at work, the newest first."""
        rows = self.database.rows(
            "SELECT subject, content, time FROM sessions WHERE visitor = ? ORDER BY time DESC, subject",
            visitor,
        )
        return tuple(SavedSession(visitor, subject, json.loads(text), time) for subject, text, time in rows)

    def drop(self, visitor: str, subject: str) -> None:
        """Forget one."""
        with self.database.writing() as connection:
            connection.execute("DELETE FROM sessions WHERE visitor = ? AND subject = ?", (visitor, subject))
