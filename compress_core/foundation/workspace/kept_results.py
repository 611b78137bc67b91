"""Results by the key of what they were made of: caches and jobs, which are made anew when they went."""

from __future__ import annotations

from dataclasses import dataclass

from compress_core.foundation.workspace.capped_files import Files
from compress_core.foundation.workspace.database import Database

_LARGEST_SHARE = 4  # one result takes at most this part of the cap


@dataclass(frozen=True, eq=False)
class Results:
    """One content for each key; its kind says who made it."""

    database: Database
    files: Files

    def keep(self, key: str, kind: str, content: bytes) -> bool:
        """Keep a content; not one that would push out most others, which gives False.

        Raises Refused where the disk does not take it.
        """
        if _LARGEST_SHARE * len(content) > self.files.max_bytes:
            return False
        self.files.write([content])
        with self.database.writing() as connection:
            digest = self.files.note(connection, content)
            connection.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (key, kind, digest))
        return True

    def find(self, key: str) -> bytes | None:
        """The content of a key; None where there is none, or it was damaged and therefore removed."""
        found = self.database.rows("SELECT digest FROM results WHERE key = ?", key)
        return self.files.content(found[0][0]) if found else None

    def has(self, key: str) -> bool:
        """Whether there is a content of a key, without reading it."""
        found = self.database.rows("SELECT digest FROM results WHERE key = ?", key)
        return bool(found) and self.files.cabinet.has(found[0][0])

    def forget(self, key: str) -> None:
        """Drop what turned out to be of no use."""
        with self.database.writing() as connection:
            connection.execute("DELETE FROM results WHERE key = ?", (key,))
