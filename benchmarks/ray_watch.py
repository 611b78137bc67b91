"""A job on a cluster, looked at as a page does: how long each look took, and how the job ended."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ray_machine import ADDRESS, RayCluster
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.cluster.address import LOCAL, RUNNER
from compress_core.jobs.cluster.ray_runner import RayRunner
from compress_core.jobs.info import Info
from compress_core.jobs.job import Job
from compress_core.jobs.local_runner import LocalRunner
from compress_core.jobs.runner import Runner
from compress_core.jobs.task import task_of

ME = "benchmark"
PATIENCE = 1800.0
EVERY = 0.2
_LONGEST = 60
EARLY, LATE = 0.2, 0.9


@dataclass(frozen=True)
class Outcome:
    """What came of a job: the longest look at it in seconds, what was said, and whether it left the same.

    same: None where it was meant to leave nothing.
    """

    slowest: float
    said: str
    same: bool | None


@dataclass(eq=False)
class Watch:
    """One job of one runner; wanted: what it leaves without a cluster."""

    runner: Runner
    job: Job
    wanted: object
    slowest: float = 0.0

    def submit(self) -> None:
        self.runner.submit(self.job, ME)

    def look(self) -> Info:
        """As a page looks; how long that took counts."""
        began = time.monotonic()
        found = self.runner.info(self.job.key)
        self.slowest = max(self.slowest, time.monotonic() - began)
        return found

    def until(self, holds: Callable[[Info], bool], seconds: float = PATIENCE) -> Info:
        """Look until something holds, or the job is over; raises AssertionError where neither comes."""
        end = time.monotonic() + seconds
        while not (holds(found := self.look()) or found.is_over):
            assert time.monotonic() < end, f"waited in vain: {found}"
            time.sleep(EVERY)
        return found

    def look_for(self, seconds: float) -> None:
        """Look for so long."""
        end = time.monotonic() + seconds
        self.until(lambda _: time.monotonic() > end)

    def until_midway(self) -> Info:
        """Submit it, and look until a good part is done."""
        self.submit()
        found = self.until(lambda info: info.progress is not None and EARLY < info.progress.share < LATE)
        assert not found.is_over, f"the job was over before anything could happen to it: {found}"
        return found

    def until_over(self) -> Info:
        return self.until(lambda info: info.is_over)

    def ended(self) -> Outcome:
        """How it ended."""
        info = self.until_over()
        return self.outcome(_said(info))

    def ended_and_again(self) -> Outcome:
        """How it ended, and how when it was started again."""
        first = _said(self.until_over())
        self.submit()
        return self.outcome(f"{first}; again: {_said(self.until_over())}")

    def outcome(self, said: str) -> Outcome:
        content = self.runner.result(self.job.key)
        same = content is not None and task_of(self.job).result(content) == self.wanted
        return Outcome(self.slowest, said, same)


def _said(info: Info) -> str:
    """The state, and of a sentence that explains it the beginning."""
    problem = "" if info.problem is None else f" ({str(info.problem)[:_LONGEST]} ...)"
    return info.state.value + problem


@contextmanager
def runner_in_folder(
    make: Callable[..., LocalRunner], address: str = "", most_at_once: int = 0
) -> Iterator[LocalRunner]:
    """A dashboard's runner with an empty workspace of its own; address: of its cluster.

    most_at_once: left out, eight there and one here.
    """
    folder = Path(tempfile.mkdtemp(prefix="slimscope-benchmark-"))
    os.environ[RUNNER] = address or LOCAL
    runner = make(Workspace.at(folder), most_at_once=most_at_once or (8 if address else 1))
    try:
        yield runner
    finally:
        runner.close()
        os.environ.pop(RUNNER, None)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(eq=False)
class Scene:
    """Where something goes wrong: a cluster, and a job with what it leaves without one."""

    cluster: RayCluster
    job: Job
    wanted: object

    @contextmanager
    def watching(self, most_at_once: int = 8, address: str = ADDRESS) -> Iterator[Watch]:
        """A dashboard that wants the job."""
        with runner_in_folder(RayRunner, address, most_at_once) as runner:
            yield Watch(runner, self.job, self.wanted)
