"""What scans measured: one row for each place, degree, list of items and release."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from compress_core.foundation.release import release
from compress_core.foundation.workspace.database import Database
from compress_core.foundation.workspace.json_text import Json, as_text


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

    def version(self, parent: str) -> str:
        """A word that changes whenever a point of a model is added, for who keeps what follows from them."""
        asked = "SELECT COUNT(*), MAX(time) FROM scan_points WHERE parent = ? AND release = ?"
        return " ".join(map(str, self.database.rows(asked, parent, release())[0]))

    def take_from(self, other: ScanPoints) -> int:
        """Take over the points of another workspace that are not here yet; how many there were."""
        rows = other.database.rows("SELECT key, parent, release, point, time FROM scan_points ORDER BY key")
        with self.database.writing() as connection:
            asked = "INSERT OR IGNORE INTO scan_points VALUES (?, ?, ?, ?, ?)"
            return sum(connection.execute(asked, row).rowcount for row in rows)
