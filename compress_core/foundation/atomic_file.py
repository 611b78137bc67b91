"""Files on the disk that are whole or not there. Needs no torch."""

from __future__ import annotations

import errno
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

UNFINISHED = ".part"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one, never half of it.

    It is on the disk, under its name, when this returns. What a process that was killed had begun in the
    same folder is removed.
    """
    write_together({path: content})


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together: a crash never leaves old ones beside new ones.

    All are on the disk before the first of the old ones goes, so a full disk leaves those as they were. A
    crash in between leaves files out, which shows, and writing again brings them.
    """
    with ExitStack() as unfinished:
        written = {path: unfinished.enter_context(_written(path, content)) for path, content in files.items()}
        *others, last = files
        for path in others:
            path.unlink(missing_ok=True)
        for path in (last, *others):
            written[path].replace(path)
        for folder in {path.parent for path in files}:
            _sync(folder)


def remove_abandoned(folder: Path) -> None:
    """Remove the half-written files of a folder whose writers were killed; those of the living stay."""
    for file in folder.glob(f".*{UNFINISHED}"):
        with suppress(OSError):
            if _is_abandoned(file):
                file.unlink()


@contextmanager
def _written(path: Path, content: bytes) -> Iterator[Path]:
    """The content on the disk under a name of its own beside its place, removed if it is still there then."""
    _make(path.parent)
    remove_abandoned(path.parent)
    temporary = path.with_name(f".{uuid.uuid4().hex}{UNFINISHED}")
    try:
        with _claimed(temporary) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if sys.platform == "win32":
                file.close()  # a file that is open is given no other name there
            yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _claimed(path: Path) -> Iterator[BinaryIO]:
    """A new file that no other process takes for abandoned: the system lets go when its writer dies."""
    while True:
        with path.open("xb") as file:
            if sys.platform != "win32":
                with suppress(OSError):  # a disk without locks: nobody else gets one there either
                    fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:  # somebody may have come between the two lines above
                yield file
                return


def _is_abandoned(path: Path) -> bool:
    """Whether nobody writes it any more; raises OSError where somebody does."""
    if sys.platform == "win32":
        return False
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True


def _make(folder: Path) -> None:
    """A folder with those above it, their names on the disk too."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Have the disk take the names in a folder; not every system opens one."""
    try:
        opened = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # a disk that knows no such thing
            raise
    finally:
        os.close(opened)
