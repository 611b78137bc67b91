"""Files under a cap in bytes: the least used go first, then uploads; what a model needs never goes.

Rows go before files do, so that whoever ends the process in between leaves files that no row knows, which
are swept later, and never a row without its file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.cabinet import Cabinet, sha_of
from compress_core.foundation.workspace.database import Database
from compress_core.foundation.workspace.disk_trouble import not_kept

_WRITTEN_SECONDS = 3600.0  # a file that has just been put, and is not yet spoken of, is younger
_FRESH_SECONDS = 60.0  # a look at a file that was used a moment ago is no news worth a write
MODEL = "model "  # how the owner of the files of a model begins
_IN_ORDER_OF_LEAVING = """
    SELECT digest, bytes FROM files WHERE digest NOT IN (SELECT digest FROM pins WHERE owner LIKE 'model %')
    ORDER BY digest IN (SELECT digest FROM pins), used
"""


@dataclass(frozen=True, eq=False)
class Files:
    """Contents by their digest.

    Writers put a content twice, before their transaction and inside: the first is the slow one, the second
    makes sure that nobody made room of it in between, since making room is a transaction too.
    """

    database: Database
    cabinet: Cabinet
    clock: Callable[[], float]
    max_bytes: int

    def put(self, content: bytes) -> str:
        """Keep a content and give its name; raises Refused where the disk does not take it."""
        self.write([content])
        with self.database.writing() as connection:
            return self.note(connection, content)

    def write(self, contents: Iterable[bytes]) -> None:
        """Room and the slow part of keeping contents, before the transaction that refers to them.

        Raises Refused where the disk does not take them, or all else that is kept is needed by models.
        """
        coming = {sha_of(content): content for content in contents}
        self._make_room({digest: len(content) for digest, content in coming.items()})
        for content in coming.values():
            self._put(content)

    def note(self, connection: sqlite3.Connection, content: bytes) -> str:
        """Keep a content within the transaction of whoever refers to it."""
        digest = self._put(content)
        connection.execute(
            "INSERT INTO files VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET used = excluded.used",
            (digest, len(content), self.clock()),
        )
        return digest

    def _put(self, content: bytes) -> str:
        try:
            return self.cabinet.put(content)
        except OSError as error:
            raise not_kept(error) from error

    def content(self, digest: str) -> bytes | None:
        """A content; None where it is not there, cannot be read now, or was damaged and therefore removed."""
        try:
            found = self.cabinet.content(digest)
        except OSError:  # no right to read, or too many files open: it stays, for whoever can
            return None
        now = self.clock()
        known = self.database.rows("SELECT used FROM files WHERE digest = ?", digest)
        if known and (found is None or known[0][0] < now - _FRESH_SECONDS):
            with self.database.writing() as connection:
                if found is None:
                    found = self._read_or_removed(connection, digest)
                else:
                    connection.execute("UPDATE files SET used = ? WHERE digest = ?", (now, digest))
        return found

    def _read_or_removed(self, connection: sqlite3.Connection, digest: str) -> bytes | None:
        """Look again where nobody else can write: what was missing may just have been kept."""
        try:
            found = self.cabinet.content(digest)
        except OSError:
            return None
        if found is None:
            self.cabinet.remove(digest)
            connection.execute("DELETE FROM files WHERE digest = ?", (digest,))
        return found

    def path(self, digest: str) -> Path | None:
        """The file of a content, unchecked; None where there is none, as in memory."""
        return self.cabinet.path(digest)

    def pin(self, connection: sqlite3.Connection, owner: str, contents: Mapping[str, bytes]) -> None:
        """Keep the files of an owner by name, instead of those it had; they go after all that nobody owns."""
        self.unpin(connection, owner)
        for name, content in contents.items():
            digest = self.note(connection, content)
            connection.execute("INSERT INTO pins VALUES (?, ?, ?)", (owner, name, digest))

    def unpin(self, connection: sqlite3.Connection, owner: str) -> None:
        """An owner needs its files no more."""
        connection.execute("DELETE FROM pins WHERE owner = ?", (owner,))

    def of(self, owner: str) -> Mapping[str, str]:
        """Digests of the files of an owner by name."""
        return dict(self.database.rows("SELECT name, digest FROM pins WHERE owner = ? ORDER BY name", owner))

    @property
    def bytes_held(self) -> int:
        """Bytes of all files together."""
        return int(self.database.rows("SELECT coalesce(sum(bytes), 0) FROM files")[0][0])

    def sweep(self) -> None:
        """Remove files that no row knows: a crash left them."""
        found = self.strays()
        if found:
            self.let_go(found)

    def strays(self) -> set[str]:
        """Names of files that no row knows and nobody is about to speak of: a crash left them.

        Raises Refused where a folder of files cannot be read.
        """
        try:
            old = set(self.cabinet.older_than(self.clock() - _WRITTEN_SECONDS))
        except OSError as error:
            raise not_kept(error) from error
        return old - {digest for (digest,) in self.database.rows("SELECT digest FROM files")}

    def let_go(self, digests: Iterable[str]) -> None:
        """Remove files whose rows are gone; what was kept anew since then stays."""
        with self.database.writing() as connection:
            for digest in digests:
                if not connection.execute("SELECT 1 FROM files WHERE digest = ?", (digest,)).fetchone():
                    self.cabinet.remove(digest)

    def left_of(self, digests: Iterable[str]) -> int:
        """How many files are on the disk still though no row knows them: it did not let them go."""
        known = {digest for (digest,) in self.database.rows("SELECT digest FROM files")}
        return sum(digest not in known and self.cabinet.has(digest) for digest in digests)

    def _make_room(self, coming: Mapping[str, int]) -> None:
        """Let the least used go until what comes has room; raises Refused and changes nothing otherwise."""
        if self.bytes_held + sum(coming.values()) <= self.max_bytes:
            return
        with self.database.writing() as connection:
            known = dict(connection.execute("SELECT digest, bytes FROM files"))
            more = sum(size for digest, size in coming.items() if digest not in known)
            over = sum(known.values()) + more - self.max_bytes
            leaving = self._leaving(connection, over, coming)
            connection.executemany("DELETE FROM files WHERE digest = ?", [(digest,) for digest in leaving])
        self.let_go(leaving)

    def _leaving(self, connection: sqlite3.Connection, over: int, coming: Mapping[str, int]) -> list[str]:
        leaving: list[str] = []
        for digest, size in connection.execute(_IN_ORDER_OF_LEAVING).fetchall():
            if over <= 0:
                break
            if digest not in coming:
                leaving.append(digest)
                over -= size
        if over > 0:
            raise Refused(
                "The workspace keeps {most:,} MiB, and trained weights that models need leave too little of "
                "it: delete models that are not needed any more, see slimscope models list.",
                most=self.max_bytes >> 20,
            )
        return leaving
