"""A piece of work in a process of its own, which is killed at a moment or in the midst of a write.

The process is forked from one that has imported everything, so that what is killed is the work and not the
imports. SIGKILL asks nothing: it ends a process between two instructions.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from compress_core.foundation.one_file_each import names_in

Say = Callable[[str], None]
Work = Callable[[Path, Say], str]

PATIENCE_S = 300.0
_BEGUN, _SAID, _OUTCOME, _WRITES = "begun", "said", "outcome", "writes"
_ASK_EVERY_S = 0.002
_IMPORTED = (
    "compress_core.cli",
    "dashboard.deploy.files",
    "onnxruntime",
    "optuna",
    "torch._dynamo",
    "torch.onnx",
)
_CHANGES = ("INSERT", "UPDATE", "DELETE", "COMMIT", "ALTER", "CREATE", "DROP", "PRAGMA user_version")


@dataclass(frozen=True)
class Kill:
    """When a process is killed: so many seconds after it has begun, or at so manieth a write (from 1)."""

    after: float | None = None
    at_write: int | None = None


@dataclass(frozen=True)
class Ran:
    """What a process said until its end, and what its work came to; None where it was killed.

    writes: how many files it opened to write or renamed, and how many statements changed a database.
    """

    said: tuple[str, ...]
    outcome: str | None
    seconds: float
    writes: int


def run(work: Work, folder: Path, notes: Path, kill: Kill | None = None) -> Ran:
    """Do the work in a folder until it ends or is killed; notes: a folder for what the process says."""
    notes.mkdir(parents=True)
    process = _forks().Process(target=_do, args=(work, folder, notes, kill and kill.at_write))
    process.start()
    _wait_for(notes / _BEGUN, process)
    began = time.monotonic()
    if kill is not None and kill.after is not None:
        process.join(kill.after)
        process.kill()
    process.join(PATIENCE_S)
    seconds = time.monotonic() - began
    killed = process.exitcode == -signal.SIGKILL
    assert killed or process.exitcode == 0, f"the work failed: see {notes / 'errors'}"
    whole, _, _ = (notes / _SAID).read_text().rpartition("\n")
    return Ran(
        tuple(whole.splitlines()),
        None if killed else (notes / _OUTCOME).read_text(),
        seconds,
        0 if killed else int((notes / _WRITES).read_text()),
    )


@cache
def _forks() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preloaded())
    return context


def preloaded() -> list[str]:
    """What a process has imported before it begins its work."""
    return [*(f"benchmarks.killed.{name}" for name in names_in("benchmarks.killed")), *_IMPORTED]


def _wait_for(file: Path, process: Any) -> None:
    patience = time.monotonic() + PATIENCE_S
    while not file.exists() and process.is_alive() and time.monotonic() < patience:
        time.sleep(_ASK_EVERY_S)


def _do(work: Work, folder: Path, notes: Path, fatal: int | None) -> None:
    """In the process of its own; a line is on the disk of the system before the next step begins."""
    said = os.open(notes / _SAID, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    errors = os.open(notes / "errors", os.O_WRONLY | os.O_CREAT)
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    (notes / _BEGUN).touch()
    writes = _Writes(folder, fatal)
    outcome = work(folder, lambda line: (os.write(said, f"{line}\n".encode()), None)[1])
    (notes / _OUTCOME).write_text(outcome)
    (notes / _WRITES).write_text(str(writes.seen))


class _Writes:
    """Counts what this process writes below a folder, and kills it at the fatal one."""

    def __init__(self, folder: Path, fatal: int | None) -> None:
        self.seen = 0
        self._folder, self._fatal = str(folder), fatal
        sys.addaudithook(self._hear)
        connect = sqlite3.connect

        def listened(*arguments: Any, **named: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **named)
            connection.set_trace_callback(self._statement)
            return connection

        sqlite3.connect = listened  # type: ignore[assignment]

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        match event, arguments:
            case "open", (path, _, flags) if flags & (os.O_WRONLY | os.O_RDWR):
                self._count(path)
            case "os.rename" | "os.remove", (path, *_):
                self._count(path)

    def _statement(self, text: str) -> None:
        if text.lstrip().startswith(_CHANGES):
            self._count(self._folder)

    def _count(self, path: object) -> None:
        if str(path).startswith(self._folder):
            self.seen += 1
            if self.seen == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)
