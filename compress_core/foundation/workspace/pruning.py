"""Let go of what nobody refers to: said first, done then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.workspace import Workspace

_DAY = 24 * 3600.0
# Whose pins are left over: the model or upload that owned them is gone.
_LOST_PINS = """
    SELECT DISTINCT owner FROM pins WHERE owner NOT IN (SELECT 'model ' || key FROM models)
    AND owner NOT IN (SELECT 'upload ' || visitor || ' ' || name FROM uploads)
"""
_UNUSED = """
    SELECT digest, bytes FROM files WHERE digest NOT IN (
        SELECT digest FROM pins WHERE owner IN (SELECT 'model ' || key FROM models)
        OR owner IN (SELECT 'upload ' || visitor || ' ' || name FROM uploads)
    ) AND (used < ? OR digest NOT IN (SELECT digest FROM results)) ORDER BY digest
"""
_LOST_NUMBERS = "SELECT count(*) FROM evaluations WHERE model NOT IN (SELECT key FROM models)"


@dataclass(frozen=True)
class Leaving:
    """What would go: files by digest with their bytes, unknown ones on the disk, numbers of no model."""

    files: tuple[tuple[str, int], ...]
    strays: tuple[str, ...]
    evaluations: int
    before: float

    @property
    def bytes(self) -> int:
        """Bytes of the files that rows know."""
        return sum(size for _, size in self.files)

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.files or self.strays or self.evaluations)


def to_prune(workspace: Workspace, unused_days: float | None = None) -> Leaving:
    """What nobody refers to; changes nothing.

    unused_days: results, which are made anew when they are asked for, go too where nobody looked at them for
    so long. What models and uploads need stays.
    """
    now = workspace.files.clock()
    before = float("-inf") if unused_days is None else now - unused_days * _DAY
    return Leaving(
        tuple(workspace.database.rows(_UNUSED, before)),
        tuple(sorted(workspace.files.strays())),
        workspace.database.rows(_LOST_NUMBERS)[0][0],
        before,
    )


def prune(workspace: Workspace, leaving: Leaving) -> None:
    """Let go of it; what somebody has come to need since it was looked at stays.

    Raises Refused where the disk does not take it: rows are gone before their files are.
    """
    with workspace.database.writing() as connection:
        owners = connection.execute(_LOST_PINS).fetchall()
        connection.executemany("DELETE FROM pins WHERE owner = ?", owners)
        still = {digest for digest, _ in connection.execute(_UNUSED, (leaving.before,))}
        going = [digest for digest, _ in leaving.files if digest in still]
        connection.executemany("DELETE FROM files WHERE digest = ?", _rows(going))
        connection.execute("DELETE FROM evaluations WHERE model NOT IN (SELECT key FROM models)")
    names = [*going, *leaving.strays]
    workspace.files.let_go(names)
    left = workspace.files.left_of(names)
    if left:
        raise Refused(
            "{count:,} files of {folder} could not be removed, though nothing refers to them any more: make "
            "their folders writable, then do this again.",
            count=left,
            folder=workspace.folder,
        )


def _rows(values: Iterable[str]) -> list[tuple[str]]:
    return [(value,) for value in values]
