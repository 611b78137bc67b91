"""A workspace as the first release left it, brought up to date."""

from __future__ import annotations

import json
import sqlite3
from functools import partial
from pathlib import Path

from benchmarks.killed_process import Say
from benchmarks.killed_work import Killed, Traces, killed, workspace_damage
from compress_core.foundation.workspace import database
from compress_core.foundation.workspace.schema import MIGRATIONS
from compress_core.foundation.workspace.workspace import Workspace


@killed("brings an old workspace up to date", order=2)
def migrating(*, small: bool) -> Killed:
    """What the old release had is there in the new form, or still in the old."""
    return Killed(_migrate, partial(_old, rows=50 if small else 4000), _lost, workspace_damage)


def _old(folder: Path, _say: Say, *, rows: int) -> str:
    connection = sqlite3.connect(folder / database.NAME)
    for statement in MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute("INSERT INTO models VALUES ('old', NULL, 'null', 'digest', 'lenet', 1.0)")
    for n in range(rows):
        connection.execute("INSERT INTO sessions VALUES ('me', ?, '{\"at\": \"old\"}', 1.0)", (f"s{n}",))
        connection.execute(
            "INSERT INTO trials (visitor, subject, model, recipe, numbers, time) "
            "VALUES ('me', 'digest', 'old', ?, '{}', 1.0)",
            (str(n),),
        )
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    return ""


def _migrate(folder: Path, say: Say) -> str:
    place = Workspace.at(folder)
    say("open")
    found = _of_old(folder)
    place.close()
    return found


def _of_old(folder: Path) -> str:
    """What lies in it, in whichever form."""
    connection = sqlite3.connect(folder / database.NAME)
    questions = ("visitor, subject, content FROM sessions", "recipe, model FROM trials", "key FROM models")
    found = [sorted(connection.execute(f"SELECT {asked}").fetchall()) for asked in questions]
    connection.close()
    return json.dumps(found)


def _lost(traces: Traces) -> int:
    return int(_of_old(traces.folder) != _of_old(traces.before))
