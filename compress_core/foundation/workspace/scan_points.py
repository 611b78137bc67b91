"""What scans measured: one row for each place, degree, list of items and release.

Recipes that searches really ran on top of a model are rows as well, under a parent of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compress_core.foundation.release import release
from compress_core.foundation.workspace.database import Database
from compress_core.foundation.workspace.json_text import Json, as_text

NUMBERS = "numbers"
"""What a row of a recipe has, and no point of a scan."""


def searched_on(model: str) -> str:
    """The parent under which the recipes that searches ran on top of a model are kept."""
    return hashlib.sha256(f"searched on\x1f{model}".encode()).hexdigest()


def kept_under(model: str, row: Mapping[str, Any]) -> str:
    """The parent of a row on top of a model."""
    return searched_on(model) if NUMBERS in row else model


@dataclass(frozen=True, eq=False)
class ScanPoints:
    """Points as JSON by their content key; several scans of one model lead to the same rows."""

    database: Database
    clock: Callable[[], float]

    def keep(self, key: str, parent: str, point: Json) -> None:
        """Keep a point; it is on the disk when this returns."""
        with self.database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO scan_points VALUES (?, ?, ?, ?, ?)",
                (key, parent, release(), as_text(point), self.clock()),
            )

    def of_parent(self, parent: str) -> dict[str, Any]:
        """Everything that this release measured on top of a model, by key."""
        asked = "SELECT key, point FROM scan_points WHERE parent = ? AND release = ? ORDER BY key"
        return {key: json.loads(point) for key, point in self.database.rows(asked, parent, release())}

    def find(self, key: str, parent: str) -> Any | None:
        """One row that this release measured; None where it did not."""
        asked = "SELECT point FROM scan_points WHERE key = ? AND parent = ? AND release = ?"
        found = self.database.rows(asked, key, parent, release())
        return json.loads(found[0][0]) if found else None

    def of_model(self, model: str) -> dict[str, Any]:
        """All rows on top of a model, points of scans and recipes of searches, by key."""
        return {**self.of_parent(model), **self.of_parent(searched_on(model))}

    def take_rows(self, model: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep rows on top of a model that were measured elsewhere, each where `of_model` finds it."""
        for key, row in rows.items():
            self.keep(key, kept_under(model, row), dict(row))

    def version(self, parent: str) -> str:
        """A word that changes whenever a point of a model is added, for who keeps what follows from them."""
        asked = "SELECT COUNT(*), MAX(time) FROM scan_points WHERE parent = ? AND release = ?"
        return " ".join(map(str, self.database.rows(asked, parent, release())[0]))

    def count(self, parent: str) -> int:
        """How many points of a model there are, for who waits until there are more."""
        asked = "SELECT COUNT(*) FROM scan_points WHERE parent = ? AND release = ?"
        return int(self.database.rows(asked, parent, release())[0][0])

    def take_from(self, other: ScanPoints) -> int:
        """Take over the points of another workspace that are not here yet; how many there were."""
        rows = other.database.rows("SELECT key, parent, release, point, time FROM scan_points ORDER BY key")
        with self.database.writing() as connection:
            asked = "INSERT OR IGNORE INTO scan_points VALUES (?, ?, ?, ?, ?)"
            return sum(connection.execute(asked, row).rowcount for row in rows)
