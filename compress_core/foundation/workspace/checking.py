"""Look whether a workspace is whole: every file against its digest, every row as it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compress_core.foundation.texts import Phrase
from compress_core.foundation.workspace.workspace import Workspace

_PIECE = 2**20
JSON_COLUMNS = (
    ("models", "key", "operation"),
    ("evaluations", "model", "numbers"),
    ("trials", "id", "recipe"),
    ("trials", "id", "numbers"),
    ("sessions", "visitor", "content"),
    ("jobs", "key", "job"),
    ("gates", "sha", "content"),
    ("decisions", "id", "content"),
)


@dataclass(frozen=True)
class Checked:
    """What was looked at, and a sentence for each thing that is wrong; none: the workspace is whole."""

    files: int
    rows: int
    problems: tuple[Phrase, ...]


def check(workspace: Workspace) -> Checked:
    """Read every file and every row; changes nothing. Raises Refused where the database cannot be read."""
    files = workspace.database.rows("SELECT digest, bytes FROM files ORDER BY digest")
    tables = [name for (name,) in workspace.database.rows(_TABLES)]
    rows = sum(workspace.database.rows(f'SELECT count(*) FROM "{name}"')[0][0] for name in tables)  # noqa: S608 - its own names
    problems = (
        *_of_database(workspace),
        *(problem for digest, size in files for problem in _of_file(workspace, digest, size)),
        *_of_json(workspace),
        *_of_models(workspace),
    )
    return Checked(len(files), rows, problems)


def let_go_of_damaged(workspace: Workspace) -> None:
    """Remove damaged files with their rows; results among them are made anew when somebody asks for them."""
    for (digest,) in workspace.database.rows("SELECT digest FROM files"):
        workspace.files.content(digest)


_WITHOUT_WEIGHTS = """
    SELECT key FROM models WHERE json_valid(operation) AND json_extract(operation, '$.operation') = 'train'
    AND 'model ' || key NOT IN (SELECT owner FROM pins) ORDER BY key
"""
_ASTRAY = """
    WITH RECURSIVE line (key) AS (
        SELECT key FROM models WHERE parent IS NULL
        UNION SELECT m.key FROM models AS m JOIN line ON m.parent = line.key
    )
    SELECT key FROM models WHERE key NOT IN (SELECT key FROM line) ORDER BY key
"""
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


def _of_database(workspace: Workspace) -> Iterator[Phrase]:
    for (said,) in workspace.database.rows("PRAGMA integrity_check"):
        if said != "ok":
            yield Phrase("The database says: {said}.", said=said)
    for table, *_others in workspace.database.rows("PRAGMA foreign_key_check"):
        yield Phrase("A row of {table} speaks of something that is not there.", table=table)


def _of_file(workspace: Workspace, digest: str, size: int) -> Iterator[Phrase]:
    path = workspace.files.path(digest)
    if path is None and not workspace.files.cabinet.has(digest):
        yield Phrase("The file {digest} is missing.", digest=digest[:12])
    elif path is not None:
        yield from _of_content(path, digest, size)


def _of_content(path: Path, digest: str, size: int) -> Iterator[Phrase]:
    try:
        is_whole = path.stat().st_size == size and _sha(path) == digest
    except OSError as error:
        yield Phrase(
            "The file {digest} cannot be read ({reason}).", digest=digest[:12], reason=error.strerror
        )
        return
    if not is_whole:
        yield Phrase("The file {digest} is damaged.", digest=digest[:12])


def _sha(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def _of_json(workspace: Workspace) -> Iterator[Phrase]:
    for table, key, column in JSON_COLUMNS:
        for name, text in workspace.database.rows(f"SELECT {key}, {column} FROM {table}"):  # noqa: S608 - our own names
            try:
                json.loads(text)
            except ValueError:
                yield Phrase("The row {key} of {table} cannot be read.", key=str(name)[:12], table=table)


def _of_models(workspace: Workspace) -> Iterator[Phrase]:
    """Trained weights that a model of the tree needs, and an end of every way up."""
    for (key,) in workspace.database.rows(_WITHOUT_WEIGHTS):
        yield Phrase("The weights of the trained model {key} are not there.", key=key[:12])
    for (key,) in workspace.database.rows(_ASTRAY):
        yield Phrase("The model {key} does not lead to one as loaded.", key=key[:12])
