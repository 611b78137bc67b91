"""Servers of the dashboard for the tests: processes of their own, begun without importing torch again.

A server takes some five seconds of a processor to begin, four of them for what it imports. So one process
for each worker of pytest imports all that once and serves nothing. A server is a fork of it, with a
workspace, a port and settings of its own. Only Linux forks what has loaded torch without doubt: elsewhere a
server is begun as people begin it, and so it is where that is the claim (`Serving.anew`).
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError

import pytest

from compress_core.face import page_process
from compress_core.foundation.workspace.folder import VARIABLE
from compress_core.foundation.workspace.workspace import Workspace
from tests.forked_jobs import MAIN

ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"
FORKS = sys.platform == "linux"
LONGEST_S, LOOK_AGAIN_S = 180, 0.1
SLIMSCOPE = """from compress_core.cli import main
from compress_core.face import page_process

page_process.COMMAND = {command}
main()
"""


class Serving:
    """A server on one port with one workspace, to be stopped and started again."""

    def __init__(self, workspace: Path | None, app: Path = ROOT / "app.py") -> None:
        self.workspace, self.app = workspace, app
        self.port = port_of_this_worker()

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @contextmanager
    def running(self) -> Iterator[int]:
        """A server until the end of this, by its process: all that it keeps in memory goes with it."""
        if not FORKS:
            with self.anew() as process:
                yield process
            return
        nursery = the_nursery()
        process = nursery.begin(self._arguments(), self._settings())
        try:
            self._wait(lambda: nursery.lives(process))
            yield process
        finally:
            nursery.end(process)

    @contextmanager
    def anew(self) -> Iterator[int]:
        """A server as people start it, which has imported nothing yet when its first visitor comes."""
        environment = os.environ | self._settings()
        with subprocess.Popen(
            [sys.executable, "-m", "streamlit", *self._arguments()],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as server:
            try:
                self._wait(lambda: server.poll() is None)
                yield server.pid
            finally:
                server.terminate()
                try:
                    server.wait(LONGEST_S)
                finally:
                    server.kill()

    def ways_back(self) -> list[int]:
        """How many steps back each tab has, the fewest first."""
        return self._asked("SELECT json_array_length(content, '$.past') FROM sessions ORDER BY 1")

    def versions(self) -> list[int]:
        """The version of the widgets of each tab."""
        return self._asked("SELECT json_extract(content, '$.version') FROM sessions ORDER BY tab")

    def _asked(self, question: str) -> list[int]:
        assert self.workspace is not None
        place = Workspace.at(self.workspace)
        rows = place.database.rows(question)
        place.close()
        return [number for (number,) in rows]

    def _arguments(self) -> list[str]:
        return ["run", str(self.app), f"--server.port={self.port}"]

    def _settings(self) -> dict[str, str]:
        return {"OMP_NUM_THREADS": "1", VARIABLE: "" if self.workspace is None else str(self.workspace)}

    def _wait(self, lives: Callable[[], bool]) -> None:
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until and lives():
            with (
                suppress(URLError, ConnectionError, TimeoutError),
                urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=2),
            ):
                return
            time.sleep(LOOK_AGAIN_S)
        pytest.fail("the server did not answer")


class Nursery:
    """The process that forks servers; see tests/server_nursery.py."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.server_nursery"],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, arguments: list[str], settings: dict[str, str]) -> int:
        process: int = self._asked({"begin": arguments, "settings": settings})
        return process

    def job_command(self) -> tuple[str, ...]:
        """What is started in place of a worker that imports torch again, and with a request of a page."""
        return tuple(self._asked({"jobs": True}))

    def lives(self, process: int) -> bool:
        return bool(self._asked({"lives": process}))

    def end(self, process: int) -> None:
        self._asked({"end": process})

    def have(self, modules: Iterable[str]) -> None:
        """Have modules there before something is called that needs them."""
        self._asked({"import": list(modules)})

    def call(self, pickled: bytes) -> int:
        process: int = self._asked({"call": pickled.hex()})
        return process

    def reap(self, process: int) -> int:
        """The exit code of one that has ended."""
        code: int = self._asked({"reap": process})
        return code

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(LONGEST_S)

    def _asked(self, request: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextmanager
def pages_are_forks() -> Iterator[None]:
    """Programs that start a page need not wait until it has imported torch: it is a fork as well."""
    with pytest.MonkeyPatch.context() as patch:
        if FORKS:
            patch.setattr(page_process, "COMMAND", the_nursery().job_command())
        yield


def main_of(module: str) -> tuple[str, ...]:
    """What calls `main()` of a module in a process of its own, a fork where forks are."""
    forked = (*the_nursery().job_command(), MAIN) if FORKS else ()
    return (*(forked or (sys.executable, "-m")), module)


def command_whose_pages_are_forks() -> tuple[str, ...]:
    """`slimscope` in a process of its own, which starts forks of the nursery as its pages."""
    if not FORKS:
        return (sys.executable, "-m", "compress_core.cli")
    return (sys.executable, "-c", SLIMSCOPE.format(command=the_nursery().job_command()))


@cache
def the_nursery() -> Nursery:
    """One for all tests of this process; it ends with it."""
    nursery = Nursery()
    atexit.register(nursery.close)
    return nursery


def port_of_this_worker() -> int:
    """The same port for one server after the other, so that a browser keeps the scripts it has compiled."""
    port = _first_port()
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            tried.bind((HOST, port))
            return port
    return _free_port()


@cache
def _first_port() -> int:
    return _free_port()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def served_to_a_crowd(_options: Sequence[str]) -> Iterator[tuple[str, int]]:
    """What `benchmarks.crowd.served` gives, from the nursery: address and process of a server."""
    with TemporaryDirectory() as folder:
        serving = Serving(Path(folder))
        with serving.running() as process:
            yield f"{HOST}:{serving.port}", process
