"""How long work ended, so that a server tells what became of what was submitted to the one before it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compress_core.foundation.workspace.database import Database
from compress_core.foundation.workspace.json_text import as_text

_KEPT_SECONDS = 90 * 24 * 3600.0


@dataclass(frozen=True)
class KnownJob:
    """The last that is known of a job.

    job: what was to be done, as its file holds it; server: who took it. state and problem, why there is no
    result, are None as long as it did not end. time in seconds, as in Unix.
    """

    key: str
    job: str
    server: str
    state: str | None
    problem: Mapping[str, Any] | None
    time: float


@dataclass(frozen=True, eq=False)
class JobLog:
    """One line for each job, the newest that was submitted."""

    database: Database
    clock: Callable[[], float]

    def begin(self, key: str, job: str, server: str) -> None:
        """A server has taken a job; old lines go."""
        now = self.clock()
        with self.database.writing() as connection:
            connection.execute("DELETE FROM jobs WHERE time < ?", (now - _KEPT_SECONDS,))
            connection.execute(
                "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, NULL, NULL, ?)", (key, job, server, now)
            )

    def end(self, key: str, server: str, state: str, problem: Mapping[str, Any] | None) -> None:
        """How the job of a server ended; another server that has taken it since is not spoken of."""
        said = None if problem is None else as_text(problem)
        with self.database.writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, problem = ?, time = ? WHERE key = ? AND server = ?",
                (state, said, self.clock(), key, server),
            )

    def find(self, key: str) -> KnownJob | None:
        """What is known of a job; None where nobody submitted it lately."""
        asked = "SELECT key, job, server, state, problem, time FROM jobs WHERE key = ?"
        return next(
            (
                KnownJob(key, job, server, state, None if said is None else json.loads(said), time)
                for key, job, server, state, said, time in self.database.rows(asked, key)
            ),
            None,
        )
