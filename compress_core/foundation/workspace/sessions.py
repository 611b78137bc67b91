"""Where visitors were: what each had set for each model in each tab, so that a closed tab loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from compress_core.foundation.workspace.database import Database
from compress_core.foundation.workspace.json_text import Json, as_text

_SNAPSHOTS = "snapshots"
MOST_TABS = 20  # of a visitor and model, the newest


@dataclass(frozen=True)
class SavedSession:
    """A visitor's state of work on a model as loaded, in one tab; time in seconds, as in Unix."""

    visitor: str
    subject: str
    content: Json
    time: float


@dataclass(frozen=True)
class OldSnapshot:
    """A model, by its key, under the name that a visitor gave it; time when that work was saved last."""

    name: str
    model: str
    time: float


@dataclass(frozen=True, eq=False)
class Sessions:
    """The newest state for each visitor, model and tab."""

    database: Database
    clock: Callable[[], float]

    def save(self, visitor: str, subject: str, content: Json, tab: str = "") -> None:
        """Keep a tab's state of work, instead of the one before; tabs of long ago are forgotten."""
        with self.database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?)",
                (visitor, subject, tab, as_text(content), self.clock()),
            )
            connection.execute(
                "DELETE FROM sessions WHERE visitor = ? AND subject = ? AND tab NOT IN (SELECT tab "
                "FROM sessions WHERE visitor = ? AND subject = ? ORDER BY time DESC, tab = ? DESC LIMIT ?)",
                (visitor, subject, visitor, subject, tab, MOST_TABS),
            )

    def find(self, visitor: str, subject: str, tab: str) -> SavedSession | None:
        """Where a visitor was with a model in this tab, else in the tab that was last at work on it."""
        rows = self.database.rows(
            "SELECT content, time FROM sessions WHERE visitor = ? AND subject = ? "
            "ORDER BY tab = ? DESC, time DESC LIMIT 1",
            visitor,
            subject,
            tab,
        )
        return next((SavedSession(visitor, subject, json.loads(text), time) for text, time in rows), None)

    def is_at_work(self, visitor: str, subject: str, tab: str) -> bool:
        """Whether this very tab of a visitor was at work on a model."""
        asked = "SELECT 1 FROM sessions WHERE visitor = ? AND subject = ? AND tab = ?"
        return bool(self.database.rows(asked, visitor, subject, tab))

    def of(self, visitor: str) -> tuple[SavedSession, ...]:
        """Everything that a visitor has at work, each model once, the newest first."""
        rows = self.database.rows(
            "SELECT subject, content, MAX(time) AS newest FROM sessions WHERE visitor = ? "
            "GROUP BY subject ORDER BY newest DESC, subject",
            visitor,
        )
        return tuple(SavedSession(visitor, subject, json.loads(text), time) for subject, text, time in rows)

    def snapshots(self, visitor: str, subject: str) -> tuple[OldSnapshot, ...]:
        """What releases that had no log kept by name beside the work on a model, the oldest work first."""
        rows = self.database.rows(
            "SELECT content, time FROM sessions WHERE visitor = ? AND subject = ? ORDER BY time",
            visitor,
            subject,
        )
        return tuple(
            OldSnapshot(name, model, time)
            for text, time in rows
            for name, model in json.loads(text).get(_SNAPSHOTS, {}).items()
        )

    def forget_snapshots(self, visitor: str, subject: str) -> None:
        """Take them out of the work, which stays, once they stand in the log."""
        with self.database.writing() as connection:
            connection.execute(
                "UPDATE sessions SET content = json_remove(content, '$.snapshots') "
                "WHERE visitor = ? AND subject = ?",
                (visitor, subject),
            )

    def drop(self, visitor: str, subject: str) -> None:
        """Forget the work on a model, in all tabs."""
        with self.database.writing() as connection:
            connection.execute("DELETE FROM sessions WHERE visitor = ? AND subject = ?", (visitor, subject))
