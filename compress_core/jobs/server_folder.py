"""The folder in which a runner and its workers hand each other files; it tells whether its runner lives."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import uuid
from pathlib import Path

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.disk_trouble import not_kept
from compress_core.foundation.workspace.lock import Lock, held, is_held

_SERVERS = "servers"
_ALIVE = "alive.lock"
_OPENING = "opening.lock"
_PATIENCE_SECONDS = 60.0
_JOBS, _PUT = "jobs", "put"


def puts_beside(job: Path) -> Path:
    """Where the models lie that were put, seen from the folder of a job."""
    return job.parents[1] / _PUT


def not_written(error: OSError) -> Refused:
    """What to say where the disk does not take what a job needs."""
    return Refused(
        "The server could not write what this job needs ({reason}): free some space on its disk, then start "
        "the job again.",
        reason=error.strerror or str(error),
    )


class ServerFolder:
    """A folder of a runner's own below a workspace, or a temporary one; what dead runners left is removed.

    Raises Refused where the disk does not take it.
    """

    def __init__(self, workspace: Path | None) -> None:
        self.server = uuid.uuid4().hex
        try:
            if workspace is None:
                self._servers = Path(tempfile.mkdtemp(prefix="slimscope-"))
            else:
                self._servers = workspace / _SERVERS
                self._servers.mkdir(exist_ok=True)
            self.path = self._servers / self.server
            self._alive = self._begun()
        except (OSError, sqlite3.Error) as error:
            raise not_kept(error) from error
        self._removed = self._servers if workspace is None else self.path

    def _begun(self) -> Lock:
        """Make the folder, and remove those of dead runners."""
        with held(self._servers / _OPENING, _PATIENCE_SECONDS):
            for other in self._servers.iterdir():
                if other.is_dir() and not self.lives(other.name):
                    shutil.rmtree(other, ignore_errors=True)
            self.path.mkdir()
            return Lock(self.path / _ALIVE)

    def lives(self, server: str) -> bool:
        """Whether the process of a runner is still there."""
        return is_held(self._servers / server / _ALIVE)

    def job(self, key: str) -> Path:
        """Where a job and its worker's log lie."""
        return self.path / _JOBS / key

    @property
    def puts(self) -> Path:
        """Where models lie that were put."""
        return self.path / _PUT

    @property
    def log(self) -> Path:
        """What workers say before they have a job."""
        return self.path / "workers.txt"

    def close(self) -> None:
        """Remove it."""
        self._alive.release()
        shutil.rmtree(self._removed, ignore_errors=True)
