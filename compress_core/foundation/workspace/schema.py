"""The tables of a workspace, as numbered migrations: the version of a file is how many it has had.

A migration that was released is never edited; what changes is a new one at the end.
"""

from __future__ import annotations

import sqlite3

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.folder import VARIABLE

_FIRST = (
    "CREATE TABLE files (digest TEXT PRIMARY KEY, bytes INTEGER NOT NULL, used REAL NOT NULL) WITHOUT ROWID",
    """CREATE TABLE pins (
        owner TEXT NOT NULL,
        name TEXT NOT NULL,
        digest TEXT NOT NULL REFERENCES files ON DELETE CASCADE,
        PRIMARY KEY (owner, name)
    ) WITHOUT ROWID""",
    "CREATE INDEX pins_by_digest ON pins (digest)",
    """CREATE TABLE results (
        key TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        digest TEXT NOT NULL REFERENCES files ON DELETE CASCADE
    ) WITHOUT ROWID""",
    "CREATE INDEX results_by_digest ON results (digest)",
    """CREATE TABLE models (
        key TEXT PRIMARY KEY,
        parent TEXT REFERENCES models,
        operation TEXT NOT NULL,
        subject TEXT NOT NULL,
        name TEXT NOT NULL,
        time REAL NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX models_by_parent ON models (parent)",
    """CREATE TABLE evaluations (
        model TEXT NOT NULL,
        items TEXT NOT NULL,
        release TEXT NOT NULL,
        split TEXT NOT NULL,
        n INTEGER NOT NULL,
        numbers TEXT NOT NULL,
        time REAL NOT NULL,
        PRIMARY KEY (model, items, release)
    ) WITHOUT ROWID""",
    """CREATE TABLE trials (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        visitor TEXT NOT NULL,
        subject TEXT NOT NULL,
        model TEXT NOT NULL,
        recipe TEXT NOT NULL,
        numbers TEXT NOT NULL,
        time REAL NOT NULL
    )""",
    "CREATE INDEX trials_by_visitor ON trials (visitor, subject)",
    """CREATE TABLE tags (
        visitor TEXT NOT NULL,
        model TEXT NOT NULL REFERENCES models,
        tag TEXT NOT NULL,
        PRIMARY KEY (visitor, model, tag)
    ) WITHOUT ROWID""",
    """CREATE TABLE notes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        visitor TEXT NOT NULL,
        model TEXT NOT NULL REFERENCES models,
        text TEXT NOT NULL,
        time REAL NOT NULL
    )""",
    "CREATE INDEX notes_by_model ON notes (model)",
    """CREATE TABLE sessions (
        visitor TEXT NOT NULL,
        subject TEXT NOT NULL,
        content TEXT NOT NULL,
        time REAL NOT NULL,
        PRIMARY KEY (visitor, subject)
    ) WITHOUT ROWID""",
    """CREATE TABLE uploads (
        visitor TEXT NOT NULL,
        name TEXT NOT NULL,
        time REAL NOT NULL,
        PRIMARY KEY (visitor, name)
    ) WITHOUT ROWID""",
)
_JOBS = (
    """CREATE TABLE jobs (
        key TEXT PRIMARY KEY,
        job TEXT NOT NULL,
        server TEXT NOT NULL,
        state TEXT,
        problem TEXT,
        time REAL NOT NULL
    ) WITHOUT ROWID""",
)
_LOOKS = (
    """CREATE TABLE looks (
        visitor TEXT NOT NULL,
        subject TEXT NOT NULL,
        items TEXT NOT NULL,
        model TEXT NOT NULL,
        time REAL NOT NULL,
        PRIMARY KEY (visitor, subject, items, model)
    ) WITHOUT ROWID""",
)
_TABS = (
    "ALTER TABLE trials ADD COLUMN made_from TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE trials ADD COLUMN split TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE trials ADD COLUMN name TEXT NOT NULL DEFAULT ''",
    """CREATE TABLE tabs (
        visitor TEXT NOT NULL,
        subject TEXT NOT NULL,
        tab TEXT NOT NULL,
        content TEXT NOT NULL,
        time REAL NOT NULL,
        PRIMARY KEY (visitor, subject, tab)
    ) WITHOUT ROWID""",
    "INSERT INTO tabs SELECT visitor, subject, '', content, time FROM sessions",
    "DROP TABLE sessions",
    "ALTER TABLE tabs RENAME TO sessions",
)
_MAKERS = (
    """CREATE TABLE makers (
        model TEXT NOT NULL REFERENCES models ON DELETE CASCADE,
        visitor TEXT NOT NULL,
        PRIMARY KEY (model, visitor)
    ) WITHOUT ROWID""",
    "INSERT INTO makers SELECT DISTINCT model, visitor FROM trials WHERE model IN (SELECT key FROM models)",
    """INSERT INTO makers SELECT DISTINCT json_extract(content, '$.at') AS stands, visitor FROM sessions
        WHERE stands IN (SELECT key FROM models) ON CONFLICT DO NOTHING""",
)
_SCANS = (
    """CREATE TABLE scan_points (
        key TEXT PRIMARY KEY,
        parent TEXT NOT NULL,
        release TEXT NOT NULL,
        point TEXT NOT NULL,
        time REAL NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX scan_points_by_parent ON scan_points (parent, release)",
)
_GATES = (
    "CREATE TABLE gates (sha TEXT PRIMARY KEY, content TEXT NOT NULL, time REAL NOT NULL) WITHOUT ROWID",
)
_DECISIONS = (
    """CREATE TABLE decisions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        visitor TEXT NOT NULL,
        review TEXT NOT NULL,
        content TEXT NOT NULL,
        time REAL NOT NULL
    )""",
    "CREATE INDEX decisions_by_visitor ON decisions (visitor, review)",
)
MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _JOBS, _LOOKS, _TABS, _MAKERS, _SCANS, _GATES, _DECISIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """How many migrations a file has had."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, place: str, migrations: tuple[tuple[str, ...], ...]) -> None:
    """Bring a file up to date, wholly or not at all; raises Refused for one of a newer release."""
    version = version_of(connection)
    if version > len(migrations):
        raise Refused(
            "The workspace {folder} was written by a newer release (schema {got}, this one knows {known}), "
            "so nothing is kept there: update Slimscope, or name another folder in {variable}.",
            folder=place,
            got=version,
            known=len(migrations),
            variable=VARIABLE,
        )
    if version == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    for number, statements in enumerate(migrations[version:], version + 1):
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("COMMIT")
