"""What outlives a server of its jobs: what they left, and how those ended that left nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compress_core.foundation.errors import Refused
from compress_core.foundation.refusal_json import refusal_as_json, refusal_from_json
from compress_core.foundation.release import lasting_key
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.info import Info, State
from compress_core.jobs.job import Job

KIND = "job"


@dataclass(frozen=True)
class JobRecords:
    """The jobs of all servers on a workspace; lives tells of a server whether it still runs."""

    workspace: Workspace
    server: str
    lives: Callable[[str], bool]

    def begin(self, job: Job) -> None:
        """Note that this server has taken a job; raises Refused where the workspace does not take it."""
        self.workspace.jobs.begin(lasting_key(job.key), job.as_json(), self.server)

    def end(self, key: str, state: State, problem: Refused | None) -> None:
        """Note how a job of this server ended."""
        said = None if problem is None else refusal_as_json(problem)
        self.workspace.jobs.end(lasting_key(key), self.server, state.value, said)

    def keep(self, key: str, content: bytes) -> None:
        """Keep what a job left; raises Refused where the workspace does not take it."""
        if not self.workspace.results.keep(lasting_key(key), KIND, content):
            raise Refused(
                "The result takes {mebibytes:,} MiB, more than a workspace keeps of one job: ask for less.",
                mebibytes=len(content) >> 20,
            )

    def has(self, key: str) -> bool:
        """Whether the result of a job is there, whoever did it."""
        return self.workspace.results.has(lasting_key(key))

    def result(self, key: str) -> bytes | None:
        """The result of a job, whoever did it; None where it is not there."""
        return self.workspace.results.find(lasting_key(key))

    def info(self, key: str) -> Info:
        """What is known of a job that this server has not been asked for.

        One that another living server works on is unknown here: its end is not heard of.
        """
        if self.has(key):
            return Info(key, State.DONE)
        known = self.workspace.jobs.find(lasting_key(key))
        if known is None or known.state == State.DONE.value:
            return Info(key, State.UNKNOWN)
        if known.state is not None:
            problem = None if known.problem is None else refusal_from_json(known.problem)
            return Info(key, State(known.state), problem=problem)
        if known.server == self.server or self.lives(known.server):
            return Info(key, State.UNKNOWN)
        lost = Refused("The server ended before this job was done: start it again.")
        return Info(key, State.FAILED, problem=lost)
