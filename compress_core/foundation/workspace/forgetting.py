"""Let a model go, and all that was made of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.capped_files import MODEL
from compress_core.foundation.workspace.json_text import as_text
from compress_core.foundation.workspace.workspace import Workspace

_ABOUT = ("evaluations", "tags", "notes", "trials")
_OWN = ("tags", "notes", "trials")
_WITHOUT_MAKER = """
    SELECT key FROM models WHERE key IN (SELECT value FROM json_each(?))
    AND key NOT IN (SELECT model FROM makers)
    AND key NOT IN (SELECT parent FROM models WHERE parent IS NOT NULL)
"""
_STANDS = """
    SELECT count(*) FROM sessions WHERE visitor = ?
    AND json_extract(content, '$.at') IN (SELECT value FROM json_each(?))
"""


def forget_model(workspace: Workspace, key: str, visitor: str | None) -> tuple[str, ...]:
    """Let a model go, with what was made of it, its numbers, tags, notes and lines of the log.

    visitor: who asks; what others made too stays theirs. None: whoever owns the workspace, for whom all goes,
    and pages that stand there begin anew. Gives the keys that are gone. Their files go when the workspace is
    pruned, or needs room. Raises Refused where a visitor did not make the model, or stands at it.
    """
    keys = [model.key for model in workspace.models.below(key)]
    if visitor is not None:
        _refuse_strangers(workspace, visitor, key)
        _refuse_where_one_stands(workspace, visitor, keys)
    with workspace.database.writing() as connection:
        if visitor is None:
            _drop(connection, keys[::-1])
            return tuple(keys)
        _drop_own(connection, visitor, keys)
        return tuple(_drop_unowned(connection, keys))


def _refuse_strangers(workspace: Workspace, visitor: str, key: str) -> None:
    if not workspace.models.made_by(visitor, [key]):
        raise Refused("This model was not made by you: only who made it can delete it.")


def _refuse_where_one_stands(workspace: Workspace, visitor: str, keys: list[str]) -> None:
    ((pages,),) = workspace.database.rows(_STANDS, visitor, as_text(keys))
    if pages:
        raise Refused("A page of yours shows this model, or one made of it: go to another model there first.")


def _drop_own(connection: sqlite3.Connection, visitor: str, keys: Iterable[str]) -> None:
    whose = [(visitor, key) for key in keys]
    for table in (*_OWN, "makers"):
        connection.executemany(f"DELETE FROM {table} WHERE visitor = ? AND model = ?", whose)  # noqa: S608 - our own names


def _drop_unowned(connection: sqlite3.Connection, keys: list[str]) -> list[str]:
    """From the leaves up: a model that somebody else made keeps all on the way to it."""
    gone: list[str] = []
    while True:
        found = [key for (key,) in connection.execute(_WITHOUT_MAKER, (as_text(keys),))]
        if not found:
            return gone
        _drop(connection, found)
        gone += found


def _drop(connection: sqlite3.Connection, keys: Iterable[str]) -> None:
    """Rows of models, each after those that were made of it, and all that speaks of them."""
    which = [(key,) for key in keys]
    for table in _ABOUT:
        connection.executemany(f"DELETE FROM {table} WHERE model = ?", which)  # noqa: S608 - our own names
    connection.executemany("DELETE FROM sessions WHERE json_extract(content, '$.at') = ?", which)
    connection.executemany("DELETE FROM pins WHERE owner = ?", [(f"{MODEL}{key}",) for (key,) in which])
    connection.executemany("DELETE FROM models WHERE key = ?", which)
