"""One SQLite file that threads and processes share: a write is on the disk when its call returns."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from compress_core.foundation.workspace.disk_trouble import not_kept
from compress_core.foundation.workspace.lock import held
from compress_core.foundation.workspace.schema import MIGRATIONS, migrate

NAME, FILES = "workspace.sqlite", "files"
OPENING = "opening.lock"
_BESIDE = ("-wal", "-shm")
_PATIENCE_SECONDS = 60.0


class Database:
    """Rows of a workspace: one connection that writes, one writer at a time among all processes.

    reader: another connection, so that who reads does not wait for who writes; None: the same one.
    """

    def __init__(self, connection: sqlite3.Connection, reader: sqlite3.Connection | None = None) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        self._reader = reader or connection
        self._reading = self._lock if reader is None else threading.RLock()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, committed at the end of the block; an error undoes all of it.

        Raises Refused where the disk does not take it. Readers of other processes go on meanwhile.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                except BaseException:
                    if self._connection.in_transaction:  # a full disk has ended it already
                        self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.IntegrityError:
                raise
            except sqlite3.DatabaseError as error:
                raise not_kept(error) from error

    def rows(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows that answer a question; raises Refused where the file cannot be read."""
        with self._reading:
            try:
                return self._reader.execute(question, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise not_kept(error) from error

    def close(self) -> None:
        """Let go of the file."""
        with self._lock, self._reading:
            self._reader.close()
            self._connection.close()


def in_memory() -> Database:
    """A database that ends with the process."""
    connection = _connected(":memory:")
    migrate(connection, ":memory:", MIGRATIONS)
    return Database(connection)


def open_database(folder: Path) -> tuple[Database, str | None]:
    """The database of a folder, and the name under which a damaged one was set aside.

    Raises Refused for one of a newer release, OSError or sqlite3.OperationalError where the folder cannot
    be written.
    """
    path = folder / NAME
    with held(folder / OPENING, _PATIENCE_SECONDS):
        try:
            return Database(_sound(path), _connected(str(path))), None
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            aside = _set_aside(path)
        return Database(_sound(path), _connected(str(path))), aside


def _sound(path: Path) -> sqlite3.Connection:
    connection = _connected(str(path))
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _check(connection)
        migrate(connection, path.parent.name, MIGRATIONS)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise sqlite3.DatabaseError(said)


def _connected(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name, timeout=_PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _set_aside(path: Path) -> str:
    """Give a damaged database a folder of its own, with its log and the files that only it knows."""
    aside = path.with_name(f"damaged-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
    aside.mkdir()
    for file in (path, *(path.with_name(path.name + ending) for ending in _BESIDE), path.with_name(FILES)):
        if file.exists():
            file.rename(aside / file.name)
    return aside.name
