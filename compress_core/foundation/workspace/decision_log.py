"""What reviewers decided: kept for good, a later decision beside the earlier ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from compress_core.foundation.workspace.database import Database
from compress_core.foundation.workspace.json_text import Json, as_text


@dataclass(frozen=True, eq=False)
class DecisionLog:
    """Decisions of each visitor on each review; a row is written once and never changed."""

    database: Database
    clock: Callable[[], float]

    def add(self, visitor: str, review: str, content: Json) -> None:
        """Note a decision; it is on the disk when this returns. Raises Refused where the disk is full."""
        with self.database.writing() as connection:
            connection.execute(
                "INSERT INTO decisions (visitor, review, content, time) VALUES (?, ?, ?, ?)",
                (visitor, review, as_text(content), self.clock()),
            )

    def of(self, visitor: str, review: str) -> tuple[Json, ...]:
        """What a visitor decided on a review, the earliest first."""
        asked = "SELECT content FROM decisions WHERE visitor = ? AND review = ? ORDER BY id"
        return tuple(json.loads(content) for (content,) in self.database.rows(asked, visitor, review))
