"""What a runner on this machine knows of one job, and how it says why a process left no result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress
from compress_core.jobs.info import State
from compress_core.jobs.job import Job
from compress_core.jobs.process import Worker
from compress_core.jobs.whereabouts import Whereabouts

RESULT = "result.safetensors"
LOG = "log.txt"


@dataclass(eq=False)
class LocalJob:
    """One job of a running server; written under its runner's lock only.

    began: when it began to count as it counts now; share_before: how far it was then. may_work_again: its
    problem lies in this machine, as a full disk, not in what was asked.
    """

    job: Job
    folder: Path
    watchers: set[str] = field(default_factory=set)
    state: State = State.QUEUED
    worker: Worker | None = None
    progress: Progress | None = None
    began: float = 0.0
    share_before: float = 0.0
    ended: float = 0.0
    problem: Refused | None = None
    may_work_again: bool = False
    unwanted: bool = False
    figures: list[Mapping[str, Any]] = field(default_factory=list)
    where: Whereabouts | None = None

    def advance(self, progress: Progress, now: float) -> None:
        """Note how far it is. What falls back or has another total counts something else.

        So does the second pass of a scan, and one that goes on, after it has found out what there is to do.
        """
        if self.progress is None or self._counts_anew(self.progress, progress):
            self.began, self.share_before = now, progress.share
        self.progress = progress

    @staticmethod
    def _counts_anew(before: Progress, now: Progress) -> bool:
        return now.total != before.total or now.share < before.share

    @property
    def is_under_way(self) -> bool:
        """Whether it waits or runs."""
        return self.state in {State.QUEUED, State.RUNNING}


def why_without_result(job: LocalJob, code: int) -> Refused:
    """Why a process ended without a result, from its exit code and its log."""
    if code < 0:
        return Refused(
            "The process of this job was ended from outside (signal {signal}), perhaps because memory ran "
            "out: start it again, with fewer items if it happens twice.",
            signal=-code,
        )
    return Refused(
        "The job stopped with an error of the program ({reason}): the file {log} in the server's folder of "
        "jobs says more.",
        reason=_last_line(job.folder / LOG),
        log=f"{job.job.key[:12]}.../{LOG}",
    )


def _last_line(log: Path) -> str:
    """The last line of a traceback names the error."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:200] if said else "it said nothing"
