"""What to say where the disk or the database does not do its part: what it is, and what helps."""

from __future__ import annotations

import errno
import sqlite3
from enum import Enum, auto
from pathlib import Path

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.folder import VARIABLE


class _Trouble(Enum):
    FULL = auto()
    HELD = auto()
    READ_ONLY = auto()
    DAMAGED = auto()
    OTHER = auto()


_OF_SYSTEM = {
    errno.ENOSPC: _Trouble.FULL,
    errno.EDQUOT: _Trouble.FULL,
    errno.EFBIG: _Trouble.FULL,
    errno.EROFS: _Trouble.READ_ONLY,
    errno.EACCES: _Trouble.READ_ONLY,
    errno.EPERM: _Trouble.READ_ONLY,
}
_OF_DATABASE = {
    sqlite3.SQLITE_FULL: _Trouble.FULL,
    sqlite3.SQLITE_BUSY: _Trouble.HELD,
    sqlite3.SQLITE_LOCKED: _Trouble.HELD,
    sqlite3.SQLITE_READONLY: _Trouble.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _Trouble.READ_ONLY,
    sqlite3.SQLITE_PERM: _Trouble.READ_ONLY,
    sqlite3.SQLITE_CORRUPT: _Trouble.DAMAGED,
    sqlite3.SQLITE_NOTADB: _Trouble.DAMAGED,
}
_PRIMARY = 0xFF  # the rest of a code says more closely which of its kind it is


def not_kept(error: OSError | sqlite3.Error) -> Refused:
    """Why something was not written or read while the workspace was in use."""
    reason = _reason(error)
    match _trouble(error):
        case _Trouble.FULL:
            return Refused(
                "The disk of the workspace is full ({reason}); what was kept before is still there: free "
                "some space, then do this again.",
                reason=reason,
            )
        case _Trouble.HELD:
            return Refused(
                "Another process has kept the workspace to itself for a minute ({reason}), so nothing was "
                "written: end it or wait for it, then do this again.",
                reason=reason,
            )
        case _Trouble.READ_ONLY:
            return Refused(
                "The workspace can only be read ({reason}), so nothing was written: make its folder "
                "writable, then do this again.",
                reason=reason,
            )
        case _Trouble.DAMAGED:
            return Refused(
                "The database of the workspace is damaged ({reason}): start again, which sets it aside with "
                "its files and begins a new one.",
                reason=reason,
            )
    return Refused(
        "The workspace could not be read or written ({reason}): free some space or repair its folder, then "
        "start again.",
        reason=reason,
    )


def not_opened(folder: Path, error: OSError | sqlite3.Error) -> Refused:
    """Why a workspace is not used by this run."""
    said = {"folder": str(folder), "reason": _reason(error), "variable": VARIABLE}
    match _trouble(error):
        case _Trouble.FULL:
            return Refused(
                "The disk of the workspace {folder} is full ({reason}), so nothing outlives this run: free "
                "some space there, or name another folder in {variable}.",
                **said,
            )
        case _Trouble.HELD:
            return Refused(
                "Another process has kept the workspace {folder} to itself for a minute ({reason}), so "
                "nothing outlives this run: end it, or name another folder in {variable}.",
                **said,
            )
    return Refused(
        "The workspace {folder} cannot be written ({reason}), so nothing outlives this run: name another "
        "folder in {variable}.",
        **said,
    )


def is_busy(error: OSError | sqlite3.Error) -> bool:
    """Whether another process is what stands in the way."""
    return _trouble(error) is _Trouble.HELD


def _trouble(error: OSError | sqlite3.Error) -> _Trouble:
    if isinstance(error, OSError):
        return _OF_SYSTEM.get(error.errno or 0, _Trouble.OTHER)
    code: int = getattr(error, "sqlite_errorcode", 0)  # an error of the module itself has none
    return _OF_DATABASE.get(code & _PRIMARY, _Trouble.OTHER)


def _reason(error: OSError | sqlite3.Error) -> str:
    """In the words of the system; SQLite says of a folder that it cannot write only that it cannot open."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
