"""What visitors say of models: tags, which are words, and notes, which are sentences."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.database import Database


@dataclass(frozen=True)
class Note:
    """A sentence on a model; time in seconds, as in Unix."""

    number: int
    visitor: str
    model: str
    text: str
    time: float


@dataclass(frozen=True, eq=False)
class Remarks:
    """Tags and notes; each belongs to the visitor who made it."""

    database: Database
    clock: Callable[[], float]

    def tag(self, visitor: str, model: str, tag: str) -> None:
        """Give a model a tag, once; raises Refused for a model that was not kept."""
        self._write("INSERT INTO tags VALUES (?, ?, ?) ON CONFLICT DO NOTHING", visitor, model, tag)

    def untag(self, visitor: str, model: str, tag: str) -> None:
        """Take a tag away."""
        self._write("DELETE FROM tags WHERE visitor = ? AND model = ? AND tag = ?", visitor, model, tag)

    def tags(self, visitor: str, model: str) -> tuple[str, ...]:
        """The visitor's tags of a model, in order."""
        asked = "SELECT tag FROM tags WHERE visitor = ? AND model = ? ORDER BY tag"
        return tuple(tag for (tag,) in self.database.rows(asked, visitor, model))

    def tagged(self, visitor: str, tag: str) -> tuple[str, ...]:
        """The keys of the models that a visitor gave a tag."""
        asked = "SELECT model FROM tags WHERE visitor = ? AND tag = ? ORDER BY model"
        return tuple(model for (model,) in self.database.rows(asked, visitor, tag))

    def all_tags(self, visitor: str) -> Mapping[str, tuple[str, ...]]:
        """All tags of a visitor in order, by the key of their model."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        asked = "SELECT model, tag FROM tags WHERE visitor = ? ORDER BY tag"
        for model, tag in self.database.rows(asked, visitor):
            found[model].append(tag)
        return {model: tuple(tags) for model, tags in found.items()}

    def newest_notes(self, visitor: str) -> Mapping[str, str]:
        """What a visitor said last of each model, by its key."""
        asked = "SELECT model, text FROM notes WHERE visitor = ? ORDER BY id"
        return dict(self.database.rows(asked, visitor))

    def note(self, visitor: str, model: str, text: str) -> int:
        """Write a note and give its number; raises Refused for a model that was not kept."""
        return self._write(
            "INSERT INTO notes (visitor, model, text, time) VALUES (?, ?, ?, ?)",
            visitor,
            model,
            text,
            self.clock(),
        )

    def notes(self, visitor: str, model: str) -> tuple[Note, ...]:
        """The visitor's notes on a model, the oldest first."""
        rows = self.database.rows(
            "SELECT id, text, time FROM notes WHERE visitor = ? AND model = ? ORDER BY id", visitor, model
        )
        return tuple(Note(number, visitor, model, text, time) for number, text, time in rows)

    def drop_note(self, visitor: str, number: int) -> None:
        """Take a note of one's own away."""
        self._write("DELETE FROM notes WHERE visitor = ? AND id = ?", visitor, number)

    def _write(self, order: str, *values: object) -> int:
        with self.database.writing() as connection:
            try:
                return connection.execute(order, values).lastrowid or 0
            except sqlite3.IntegrityError:
                raise Refused(
                    "The workspace does not know this model: keep the model before you say something of it."
                ) from None
