"""A function called in a process of its own that need not import anything: a fork of the nursery.

Benchmarks that kill processes at their work begin them this way here. A killed process is a process, whatever
it had imported before.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks import killed_process, scan
from compress_core.decide.scan_plan import ScanPlan
from tests.served import FORKS, the_nursery


class ForkedCall:
    """As much of a `multiprocessing.Process` and of a `subprocess.Popen` as these benchmarks ask for."""

    def __init__(self, target: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._call = pickle.dumps((target, args))
        self.pid, self.exitcode = 0, None

    def start(self) -> None:
        self.pid = the_nursery().call(self._call)
        self._watched = os.pidfd_open(self.pid)

    def is_alive(self) -> bool:
        return self.poll() is None

    def poll(self) -> int | None:
        self.join(0)
        return self.exitcode

    def join(self, timeout: float | None = None) -> None:
        if self.exitcode is None and select.select([self._watched], [], [], timeout)[0]:
            os.close(self._watched)
            self.exitcode = the_nursery().reap(self.pid)

    wait = join

    def kill(self) -> None:
        if self.is_alive():
            os.kill(self.pid, signal.SIGKILL)


class _Forks:
    """Stands in for a context of multiprocessing."""

    Process = ForkedCall


@cache
def _forks() -> _Forks:
    the_nursery().have(killed_process.preloaded())
    return _Forks()


def _scanning(folder: Path, name: str, plan: ScanPlan) -> ForkedCall:
    the_nursery().have(["benchmarks.scan"])
    process = ForkedCall(scan.work_in, (str(folder), name, plan.model_dump_json()))
    process.start()
    return process


@contextmanager
def killed_ones_are_forks() -> Iterator[None]:
    """The processes that benchmarks kill are forks, where forks are."""
    with pytest.MonkeyPatch.context() as patch:
        if FORKS:
            patch.setattr(killed_process, "_forks", _forks)
            patch.setattr(scan, "_process", _scanning)
        yield
