"""Visitors' own models: their files, kept until the visitor lets go of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from compress_core.foundation.workspace.capped_files import Files
from compress_core.foundation.workspace.database import Database

CARD = "card.json"  # the file that says what a model is called


@dataclass(frozen=True)
class Upload:
    """A model of a visitor's own; files: digests by name; time in seconds, as in Unix."""

    visitor: str
    name: str
    files: Mapping[str, str]
    time: float


@dataclass(frozen=True, eq=False)
class Uploads:
    """One set of files for each visitor and name."""

    database: Database
    files: Files
    clock: Callable[[], float]

    def save(self, visitor: str, name: str, files: Mapping[str, bytes]) -> None:
        """Keep the files of a model under a name, instead of those before.

        Raises Refused where the disk does not take them.
        """
        self.files.write(files.values())
        with self.database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?)", (visitor, name, self.clock())
            )
            self.files.pin(connection, _owner(visitor, name), files)

    def of(self, visitor: str) -> tuple[Upload, ...]:
        """The models of a visitor, the newest first."""
        asked = "SELECT name, time FROM uploads WHERE visitor = ? ORDER BY time DESC, name"
        return tuple(
            Upload(visitor, name, self.files.of(_owner(visitor, name)), time)
            for name, time in self.database.rows(asked, visitor)
        )

    def contents(self, visitor: str, name: str) -> Mapping[str, bytes] | None:
        """The files of a model; None where one of them is missing or damaged, or nothing has that name."""
        digests = self.files.of(_owner(visitor, name))
        found = {file: self.files.content(digest) for file, digest in digests.items()}
        whole = {file: content for file, content in found.items() if content is not None}
        return whole if whole and len(whole) == len(found) else None

    def content(self, upload: Upload, file: str) -> bytes | None:
        """One file of a model; None where it is missing or damaged."""
        return self.files.content(upload.files[file]) if file in upload.files else None

    def drop(self, visitor: str, name: str) -> None:
        """Let go of a model; its files stay until their room is needed."""
        with self.database.writing() as connection:
            connection.execute("DELETE FROM uploads WHERE visitor = ? AND name = ?", (visitor, name))
            self.files.unpin(connection, _owner(visitor, name))


def _owner(visitor: str, name: str) -> str:
    return f"upload {visitor} {name}"
