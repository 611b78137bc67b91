"""The recipes that a visitor tried, with their numbers and, for those that were given one, a name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from compress_core.foundation.workspace.database import Database
from compress_core.foundation.workspace.json_text import Json, as_text

_ASK = "SELECT id, model, recipe, numbers, time, made_from, split, name FROM trials"
_WAITING = "SELECT id, numbers FROM trials WHERE visitor = ? AND subject = ? AND model = ? AND split = ''"


@dataclass(frozen=True)
class Trial:
    """One recipe as it was tried; time in seconds, as in Unix.

    made_from: the model that was changed to get there, empty where that was not noted. split: the items on
    which it was measured, empty as long as it was not. name: what the visitor calls it, or empty.
    """

    number: int
    visitor: str
    subject: str
    model: str
    recipe: Json
    numbers: dict[str, Json]
    time: float
    made_from: str = ""
    split: str = ""
    name: str = ""


@dataclass(frozen=True, eq=False)
class Trials:
    """The log of all visitors.

    A line is written when something is tried and completed once, when it is measured; what stands there is
    never changed but for its name.
    """

    database: Database
    clock: Callable[[], float]

    def log(
        self,
        visitor: str,
        subject: str,
        model: str,
        recipe: Json,
        numbers: dict[str, Json],
        made_from: str = "",
        time: float | None = None,
    ) -> int:
        """Write a line and give its number, which only grows; time: of what was tried before it is noted."""
        when = self.clock() if time is None else time
        with self.database.writing() as connection:
            made = connection.execute(
                "INSERT INTO trials (visitor, subject, model, recipe, numbers, time, made_from) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (visitor, subject, model, as_text(recipe), as_text(numbers), when, made_from),
            )
            assert made.lastrowid is not None, "an insertion has a number"
            return made.lastrowid

    def complete(self, visitor: str, subject: str, model: str, split: str, numbers: dict[str, Json]) -> None:
        """Add what was measured on a split to every line of a model that was not measured yet."""
        whose = (visitor, subject, model)
        if not self.database.rows(_WAITING, *whose):
            return
        with self.database.writing() as connection:
            found = connection.execute(_WAITING, whose).fetchall()
            connection.executemany(
                "UPDATE trials SET numbers = ?, split = ? WHERE id = ?",
                [(as_text({**numbers, **json.loads(before)}), split, number) for number, before in found],
            )

    def name(self, visitor: str, subject: str, number: int, name: str) -> None:
        """Call a line by a name, and no other line of this visitor and model; an empty one takes it away."""
        with self.database.writing() as connection:
            connection.execute(
                "UPDATE trials SET name = '' WHERE visitor = ? AND subject = ? AND name = ?",
                (visitor, subject, name),
            )
            connection.execute(
                "UPDATE trials SET name = ? WHERE visitor = ? AND subject = ? AND id = ?",
                (name, visitor, subject, number),
            )

    def of(self, visitor: str, subject: str, newest: int = -1) -> tuple[Trial, ...]:
        """What a visitor tried on a model as loaded, in the order of trying; of many, the newest ones."""
        asked = f"{_ASK} WHERE visitor = ? AND subject = ? ORDER BY id DESC LIMIT ?"
        return _trials(visitor, subject, self.database.rows(asked, visitor, subject, newest))

    def named(self, visitor: str, subject: str) -> tuple[Trial, ...]:
        """The lines that a visitor gave a name, in the order of trying."""
        asked = f"{_ASK} WHERE visitor = ? AND subject = ? AND name <> '' ORDER BY id DESC"
        return _trials(visitor, subject, self.database.rows(asked, visitor, subject))

    def names(self, visitor: str) -> Mapping[str, str]:
        """What a visitor calls models, by their keys; of several names of one, the newest."""
        asked = "SELECT model, name FROM trials WHERE visitor = ? AND name <> '' ORDER BY id"
        return dict(self.database.rows(asked, visitor))

    def count(self, visitor: str, subject: str) -> int:
        """How many lines there are."""
        asked = "SELECT COUNT(*) FROM trials WHERE visitor = ? AND subject = ?"
        return int(self.database.rows(asked, visitor, subject)[0][0])


def _trials(visitor: str, subject: str, rows: Iterable[tuple[Any, ...]]) -> tuple[Trial, ...]:
    """Rows, the newest first, as lines in the order of trying."""
    return tuple(
        Trial(
            number,
            visitor,
            subject,
            model,
            json.loads(recipe),
            json.loads(numbers),
            time,
            before,
            split,
            name,
        )
        for number, model, recipe, numbers, time, before, split, name in reversed(list(rows))
    )
