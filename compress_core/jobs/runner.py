"""Who does the jobs. The seam names no place on any machine, so that a cluster can stand behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from compress_core.jobs.info import Info
from compress_core.jobs.job import Job


class Runner(Protocol):
    """Six calls to have jobs done and one for what they leave; `tests/test_runner.py` is their contract."""

    def put(self, files: Mapping[str, bytes]) -> str:
        """Keep the files of a model where workers find them; gives what a job names as its subject.

        Raises Refused where they cannot be kept.
        """

    def submit(self, job: Job, watcher: str) -> str:
        """Have a job done and give its key; an equal job that waits, runs or is done is not done again.

        Raises Refused where it cannot be taken.
        """

    def as_done(self, keys: Iterable[str], timeout: float | None = None) -> Iterator[str]:
        """The keys in the order in which their jobs end; stops silently after timeout seconds."""

    def cancel(self, key: str, watcher: str) -> None:
        """One watcher wants it no more; the job is killed when nobody is left."""

    def info(self, key: str) -> Info:
        """How a job stands; also one that was submitted to a runner before this one."""

    def result(self, key: str) -> bytes | None:
        """What a job left, for the `result` of its task; None where it is not done, or was let go since."""

    def close(self) -> None:
        """Kill every process and take no more jobs."""
