"""When each set of gates was first seen here: whether they were fixed before anybody looked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from compress_core.foundation.workspace.database import Database
from compress_core.foundation.workspace.json_text import Json, as_text


@dataclass(frozen=True, eq=False)
class GateLog:
    """Gates by their sha-256; a row is written once and never changed."""

    database: Database
    clock: Callable[[], float]

    def fix(self, sha: str, content: Json) -> float:
        """Note gates, unless they are known, and say since when they are; seconds as in Unix."""
        known = self.since(sha)
        if known is not None:
            return known
        with self.database.writing() as connection:
            asked = "INSERT INTO gates VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
            connection.execute(asked, (sha, as_text(content), self.clock()))
        since = self.since(sha)
        assert since is not None, "it has just been written"
        return since

    def content(self, sha: str) -> Json:
        """What gates say; None for others than were noted here."""
        rows = self.database.rows("SELECT content FROM gates WHERE sha = ?", sha)
        found: Json = json.loads(rows[0][0]) if rows else None
        return found

    def since(self, sha: str) -> float | None:
        """When gates were first seen; None for others."""
        rows = self.database.rows("SELECT time FROM gates WHERE sha = ?", sha)
        return float(rows[0][0]) if rows else None
