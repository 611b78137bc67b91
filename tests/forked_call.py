"""A function called in a process of its own that need not import anything: a fork of the nursery.

Benchmarks that kill processes at their work, or look at the memory of one, begin them this way here: what a
process had imported before makes no difference to that.
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
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from benchmarks import finding_groups, killed_process, scan
from benchmarks.networks import Size
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

    def wait(self) -> int | None:
        self.join()
        return self.exitcode

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


def _scanning(folder: Path, name: str, plan: ScanPlan, most_rows: float) -> ForkedCall:
    the_nursery().have(["benchmarks.scan"])
    process = ForkedCall(scan.work_in, (str(folder), name, plan.model_dump_json(), most_rows))
    process.start()
    return process


class _Noted:
    """Stands in for an end of a pipe through which a number comes back."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def send(self, number: float) -> None:
        self.path.write_text(repr(number))


def _memory(name: str, size: Size) -> float:
    the_nursery().have(["benchmarks.finding_groups"])
    with TemporaryDirectory() as folder:
        answer = _Noted(Path(folder, "share"))
        process = ForkedCall(finding_groups._measure, (answer, name, size))
        process.start()
        process.join()
        return float(answer.path.read_text())


@contextmanager
def processes_are_forks() -> Iterator[None]:
    """The processes of these benchmarks are forks, where forks are."""
    with pytest.MonkeyPatch.context() as patch:
        if FORKS:
            patch.setattr(killed_process, "_forks", _forks)
            patch.setattr(scan, "_process", _scanning)
            patch.setattr(finding_groups, "_memory", _memory)
        yield
