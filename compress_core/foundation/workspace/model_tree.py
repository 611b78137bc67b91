"""Models as a tree: each knows its parent and the operation that made it; the root is what was loaded."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.capped_files import MODEL, Files
from compress_core.foundation.workspace.database import Database
from compress_core.foundation.workspace.json_text import Json, as_text

_ASK = "SELECT key, parent, operation, subject, name, time FROM models"
EVERYBODY = ""  # who made what a command or a job left, which is nobody's own
_LINEAGE = """
    WITH RECURSIVE line (key, parent, operation, subject, name, time, depth) AS (
        SELECT key, parent, operation, subject, name, time, 0 FROM models WHERE key = ?
        UNION ALL
        SELECT m.key, m.parent, m.operation, m.subject, m.name, m.time, depth + 1
        FROM models AS m JOIN line ON m.key = line.parent
    )
    SELECT key, parent, operation, subject, name, time FROM line ORDER BY depth DESC
"""
_BELOW = """
    WITH RECURSIVE below (key, parent, operation, subject, name, time, depth) AS (
        SELECT key, parent, operation, subject, name, time, 0 FROM models WHERE key = ?
        UNION ALL
        SELECT m.key, m.parent, m.operation, m.subject, m.name, m.time, depth + 1
        FROM models AS m JOIN below ON m.parent = below.key
    )
    SELECT key, parent, operation, subject, name, time FROM below ORDER BY depth, time, key
"""


@dataclass(frozen=True)
class KnownModel:
    """A model in the tree; subject: digest of what was loaded, name: its name; time in seconds, as in Unix.

    parent is None for what was loaded.
    """

    key: str
    parent: str | None
    operation: Json
    subject: str
    name: str
    time: float


@dataclass(frozen=True, eq=False)
class Models:
    """The tree of all models that somebody wanted to keep."""

    database: Database
    files: Files
    clock: Callable[[], float]

    def add(
        self,
        key: str,
        parent: str | None,
        operation: Json,
        subject: str,
        name: str,
        files: Mapping[str, bytes] | None = None,
        maker: str | None = EVERYBODY,
    ) -> None:
        """Add a model once; files: what cannot be made again from its operation, such as trained weights.

        maker: the visitor who made it, None where that will be said later; several may make the same, and
        what a visitor made stays theirs when a command makes it again. Raises Refused where the parent is
        not known.
        """
        self.files.write((files or {}).values())
        with self.database.writing() as connection:
            try:
                added = connection.execute(
                    "INSERT INTO models VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (key, parent, as_text(operation), subject, name, self.clock()),
                )
                if maker or (maker == EVERYBODY and added.rowcount):
                    connection.execute(
                        "INSERT INTO makers VALUES (?, ?) ON CONFLICT DO NOTHING", (key, maker)
                    )
            except sqlite3.IntegrityError:
                raise Refused(
                    "The model {key} comes from one that the workspace does not know: keep its parent first.",
                    key=key[:12],
                ) from None
            if files:
                self.files.pin(connection, _owner(key), files)

    def below(self, key: str) -> tuple[KnownModel, ...]:
        """A model and all that was made of it, each after its parent; empty where nobody added it."""
        return tuple(_models(self.database.rows(_BELOW, key)))

    def beginning_with(self, digits: str) -> tuple[KnownModel, ...]:
        """The models whose key begins so, the oldest first."""
        asked = f"{_ASK} WHERE substr(key, 1, ?) = ? ORDER BY time, key"
        return tuple(_models(self.database.rows(asked, len(digits), digits)))

    def all(self) -> tuple[KnownModel, ...]:
        """Every model, the oldest first."""
        return tuple(_models(self.database.rows(f"{_ASK} ORDER BY time, key")))

    def find(self, key: str) -> KnownModel | None:
        """One model; None where nobody added it."""
        return next(iter(_models(self.database.rows(f"{_ASK} WHERE key = ?", key))), None)

    def lineage(self, key: str) -> tuple[KnownModel, ...]:
        """From what was loaded down to this model; empty where nobody added it."""
        return tuple(_models(self.database.rows(_LINEAGE, key)))

    def children(self, key: str) -> tuple[KnownModel, ...]:
        """The models that were made of this one, the oldest first."""
        return tuple(_models(self.database.rows(f"{_ASK} WHERE parent = ? ORDER BY time, key", key)))

    def of_subject(self, subject: str) -> tuple[KnownModel, ...]:
        """All models of what was loaded, the oldest first."""
        return tuple(_models(self.database.rows(f"{_ASK} WHERE subject = ? ORDER BY time, key", subject)))

    def made_by(self, maker: str, keys: Iterable[str]) -> frozenset[str]:
        """Which of these models a visitor made."""
        asked = "SELECT model FROM makers WHERE visitor = ? AND model IN (SELECT value FROM json_each(?))"
        return frozenset(model for (model,) in self.database.rows(asked, maker, as_text(list(keys))))

    def makers_of_subject(self, subject: str) -> Mapping[str, frozenset[str]]:
        """Who made each model of what was loaded; models of which that is not known are left out."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        asked = "SELECT model, visitor FROM makers JOIN models ON model = key WHERE subject = ?"
        for model, visitor in self.database.rows(asked, subject):
            found[model].add(visitor)
        return {model: frozenset(visitors) for model, visitors in found.items()}

    def files_of(self, key: str) -> Mapping[str, str]:
        """Digests of the files of a model by name."""
        return self.files.of(_owner(key))


def _owner(key: str) -> str:
    return f"{MODEL}{key}"


def _models(rows: Iterable[tuple[Any, ...]]) -> Iterable[KnownModel]:
    return (
        KnownModel(key, parent, json.loads(operation), subject, name, time)
        for key, parent, operation, subject, name, time in rows
    )
