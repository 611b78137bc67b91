"""A lock that the system frees when its holder dies, on every system: an exclusive SQLite transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Lock:
    """Held from the moment it is made until `release`, or the end of the process.

    Raises sqlite3.OperationalError where somebody else has it, after patience seconds.
    """

    def __init__(self, path: Path, patience: float = 0.0) -> None:
        self._connection = sqlite3.connect(
            path, timeout=patience, isolation_level=None, check_same_thread=False
        )
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error:
            self._connection.close()
            raise

    def release(self) -> None:
        """Let others have it."""
        self._connection.close()


def is_held(path: Path) -> bool:
    """Whether a living process holds this lock."""
    if not path.exists():
        return False
    try:
        Lock(path).release()
    except sqlite3.OperationalError:
        return True
    return False


@contextmanager
def held(path: Path, patience: float) -> Iterator[None]:
    """Hold a lock for a while."""
    lock = Lock(path, patience)
    try:
        yield
    finally:
        lock.release()
