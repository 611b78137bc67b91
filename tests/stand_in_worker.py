"""A stand-in for the worker that imports nothing heavy and does what its job's knobs say."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.cluster import ray_runner
from compress_core.jobs.cluster.address import RUNNER
from compress_core.jobs.cluster.address import TOKEN as TOKEN_VARIABLE
from compress_core.jobs.cluster.ray_runner import RayRunner
from compress_core.jobs.job import Job
from compress_core.jobs.local_runner import LocalRunner
from compress_core.jobs.runner import Runner
from tests.stand_in_cluster import TOKEN, StandInCluster

PATIENCE = 180.0
RESULT = b"what it found"

SCRIPT = """
import json, os, pathlib, sys
named = sys.stdin.readline().strip()
if not named:
    sys.exit()
path = pathlib.Path(named)
knobs = json.loads(json.loads(path.read_text())["knobs"])
with open(pathlib.Path(__file__).with_name("began.txt"), "a") as file:
    file.write(f"{os.getpid()} {knobs['name']}\\n")
def say(**said):
    print(json.dumps(said), flush=True)
def finish():
    (path.parent / "result.safetensors").write_bytes(b"what it found")
    say(done=True)
say(progress=[1, 4, "before compression"])
match knobs["does"]:
    case "finish":
        finish()
    case "tell its workspace":
        (path.parent / "result.safetensors").write_text(os.environ["SLIMSCOPE_WORKSPACE"])
        say(done=True)
    case "hang":
        with open(knobs["tells"], "w") as file:
            file.write("here")
        sys.stdin.read()
    case "until told":
        with open(knobs["tells"], "w") as file:
            file.write("here")
        with open(knobs["waits"]) as file:
            file.readline()
        finish()
    case "refuse":
        say(refused={"text": "Only {count:,} items are there.", "values": {"count": 1234}})
    case "fail":
        say(failed={"text": "No space left.", "values": {}})
    case "crash":
        os.dup2(os.open(path.parent / "log.txt", os.O_CREAT | os.O_WRONLY), 2)
        raise ZeroDivisionError("by hand")
    case "half":
        sys.stdout.write('{"done": tr')
"""


class Site:
    """Where runners of a test work, one after the other: a workspace, the stand-in, and pipes."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.script = place / "stand_in.py"
        self.script.write_text(SCRIPT)
        self.command = [sys.executable, "-S", str(self.script)]
        self._runners: list[Runner] = []
        self.cluster: StandInCluster | None = None
        self._grace = ray_runner.GRACE_SECONDS

    def runner(self, workspace: Workspace | None = None) -> LocalRunner:
        """A runner of this machine; on a workspace that was opened anew, like a server that starts."""
        made = LocalRunner(workspace or Workspace.at(self.place / "work"), command=self.command)
        self._runners.append(made)
        return made

    def on_cluster(self, workspace: Workspace | None = None) -> RayRunner:
        """A runner whose jobs the stand-in for a cluster does, which is there from the first one on."""
        if self.cluster is None:
            self.cluster = StandInCluster(self.command)
        os.environ |= {RUNNER: self.cluster.address, TOKEN_VARIABLE: TOKEN}
        ray_runner.GRACE_SECONDS = PATIENCE  # a job that is cancelled is stopped there, on a busy machine too
        made = RayRunner(workspace or Workspace.at(self.place / "work"), most_at_once=1)
        self._runners.append(made)
        return made

    def close(self) -> None:
        for runner in self._runners:
            runner.close()
        if self.cluster is not None:
            self.cluster.go()
            for name in (RUNNER, TOKEN_VARIABLE):
                os.environ.pop(name, None)
            ray_runner.GRACE_SECONDS = self._grace

    def hanging(self, name: str) -> tuple[Job, Path]:
        """A job that says on a pipe that it runs, and then waits to be killed."""
        pipe = self.place / f"{name}.pipe"
        os.mkfifo(pipe)
        return job("hang", name, tells=str(pipe)), pipe

    def is_at_work(self) -> bool:
        """Whether a process does a job or waits for one; known of Linux alone."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has ended meanwhile
                if os.fsencode(self.script) in path.read_bytes():
                    return True
        return False

    def began(self) -> list[tuple[int, str]]:
        """Process and name of every job that a worker began."""
        file = self.place / "began.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(int(pid), name) for pid, _, name in (line.partition(" ") for line in lines)]


def until(holds: Callable[[], object]) -> None:
    """Wait for something that happens in another thread or process."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def job(does: str, name: str = "", **more: str) -> Job:
    """A job for the stand-in."""
    knobs = json.dumps({"does": does, "name": name or does, **more})
    return Job("stand-in", "content", "subject", "[]", knobs, seed=0)


def ended(runner: Runner, *jobs: Job) -> list[str]:
    """The keys of these jobs as they end."""
    return list(runner.as_done([j.key for j in jobs], PATIENCE))


def assert_gone(pid: int) -> None:
    """Neither running nor a zombie."""
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def site_in(place: Path) -> Iterator[Site]:
    """For a fixture: a site whose runners are closed in the end."""
    made = Site(place)
    yield made
    made.close()
