"""Move a workspace to another folder: all of it or nothing, whoever ends the process in between."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import uuid
from pathlib import Path

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace import database, disk_trouble
from compress_core.foundation.workspace.checking import check
from compress_core.foundation.workspace.lock import held, is_held
from compress_core.foundation.workspace.workspace import Workspace

_PART, _LEFT = ".slimscope-part-", ".slimscope-left-"
_DIGITS = 16
_ALIVE = "servers/*/alive.lock"


def move(source: Path, target: Path) -> None:
    """Copy a workspace beside its new place, check the copy, give it its name, then remove the old one.

    Until the copy has its name the old folder is untouched; from then on the new one is whole. Raises Refused
    where the target is there already, somebody works on the workspace, or the disk does not take it.
    """
    source, target = source.absolute(), target.absolute()
    if not (source / database.NAME).is_file():
        raise Refused("{folder} is no workspace: there is nothing to move.", folder=source)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Refused("{folder} is there already: name a folder that is not there.", folder=target)
    if target.is_relative_to(source):
        raise Refused("{folder} lies within the workspace: name a folder outside of it.", folder=target)
    try:
        with held(source / database.OPENING, 0.0):
            _refuse_while_in_use(source)
            _move(source, target)
    except sqlite3.Error as error:
        raise (_in_use(source) if disk_trouble.is_busy(error) else disk_trouble.not_kept(error)) from error
    except OSError as error:
        raise Refused(
            "The workspace is not moved to {folder} ({reason}) and stays where it is: both the folder above "
            "it and the one above its new place must be writable, and there must be room.",
            folder=target,
            reason=error.strerror,
        ) from error


def _refuse_while_in_use(source: Path) -> None:
    """SQLite leaves its log only where no other connection is open."""
    if any(is_held(lock) for lock in source.glob(_ALIVE)):
        raise _in_use(source)
    connection = sqlite3.connect(source / database.NAME, timeout=0.0, isolation_level=None)
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    finally:
        connection.close()
    if mode != "delete":
        raise _in_use(source)


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = target.with_name(f"{_PART}{hashlib.sha256(os.fsencode(source)).hexdigest()[:_DIGITS]}")
    shutil.rmtree(copy, ignore_errors=True)  # of a move that was killed: nobody else moves this workspace now
    try:
        copy.mkdir(mode=0o700)
        shutil.copy2(source / database.NAME, copy / database.NAME)
        if (source / database.FILES).is_dir():
            shutil.copytree(source / database.FILES, copy / database.FILES)
        _refuse_damaged(copy)
        if target.is_dir():
            target.rmdir()
        copy.rename(target)
        _leave(source, target, copy)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    for each in source.parent.glob(f"{_LEFT}*"):
        shutil.rmtree(each, ignore_errors=True)


def _leave(source: Path, target: Path, copy: Path) -> None:
    """Take its name from the old folder; where that fails, from the new one as well."""
    try:
        source.rename(source.with_name(f"{_LEFT}{uuid.uuid4().hex}"))
    except OSError:
        target.rename(copy)
        raise


def _refuse_damaged(copy: Path) -> None:
    opened = Workspace.at(copy)
    try:
        problems = check(opened).problems
    finally:
        opened.close()
    if problems:
        raise Refused(
            "The workspace is not moved, since it is not whole ({problem}): see slimscope store check "
            "--repair.",
            problem=problems[0],
        )


def _in_use(source: Path) -> Refused:
    return Refused(
        "Somebody works with the workspace {folder}: end the server and its jobs first.", folder=source
    )
