"""One worker process seen from outside: started warm, given one job, read line by line, killed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from compress_core.foundation.workspace.folder import VARIABLE

COMMAND = (sys.executable, "-m", "compress_core.jobs", "--wait")
ROOT = Path(__file__).resolve().parents[2]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Worker:
    """A process that waits on its stdin for the path of a job; it does one job and ends."""

    def __init__(self, command: Sequence[str], log: Path, workspace: Path | None) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own program, with no text of a user
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment_of(workspace),
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # Ctrl-C in the server's terminal is the server's to handle
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def give(self, job: Path) -> None:
        """Tell it what to do; a process that has died meanwhile shows when its lines are read."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(f"{job}\n")
            self._process.stdin.flush()

    def lines(self) -> Iterator[dict[str, Any]]:
        """What it says until it ends; half a line, of a process that was killed, is left out."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):
                said: dict[str, Any] = json.loads(line)
                yield said

    def kill(self) -> None:
        """End it at once; `end` collects it."""
        self._process.kill()

    def end(self) -> int:
        """Wait until it has ended, free what the system keeps of it, and give its exit code."""
        code = self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        return code


def environment_of(workspace: Path | None) -> dict[str, str]:
    """One thread for each worker, the server's workspace, and the package wherever the server was started."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {"PYTHONPATH": os.pathsep.join(paths), VARIABLE: "" if workspace is None else str(workspace)}
    return {**os.environ, **dict.fromkeys(THREADS, "1"), **own}
