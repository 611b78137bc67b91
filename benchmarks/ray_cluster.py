"""A real Ray cluster on this machine, two workers of one processor each: a scan, sooner, and through faults.

`ray` must be on the PATH (pip install "ray[default]"), in an environment that has this very project, torch
and numpy. Everything listens on 127.0.0.1 and is ended afterwards, by its process ids.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.networks import FULL, Size
from compress_core.apply.model import Model
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.sensitivity import Sensitivity
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.cluster.ray_runner import RayRunner
from compress_core.jobs.info import Info, State
from compress_core.jobs.job import Job
from compress_core.jobs.local_runner import LocalRunner
from compress_core.jobs.runner import Runner
from compress_core.loading.samples import load_sample
from compress_core.tasks.scan_layers import SCAN

PORT, DASHBOARD = 6399, 8275
ME = "benchmark"
GOAL = 1.8
PATIENCE = 1800.0


@dataclass(eq=False)
class RayCluster:
    """A head, and nodes that are added to it, each with one processor; folder tells its processes."""

    ray: str
    folder: Path

    def come(self) -> None:
        """Start the head, whose processor does work too."""
        self._run(
            "start", "--head", "--num-cpus=1", f"--port={PORT}", "--dashboard-host=127.0.0.1",
            f"--dashboard-port={DASHBOARD}", "--node-ip-address=127.0.0.1", "--disable-usage-stats",
            f"--temp-dir={self.folder}",
        )  # fmt: skip

    def add_node(self) -> None:
        """Start another node."""
        self._run(
            "start", f"--address=127.0.0.1:{PORT}", "--num-cpus=1", "--node-ip-address=127.0.0.1",
            "--disable-usage-stats",
        )  # fmt: skip

    def go(self) -> None:
        """End all of it at once."""
        for _ in range(3):  # what starts another process is perhaps ended after it
            for process in _below(self.folder):
                _ended(process)

    def kill_part(self) -> None:
        """End a process that does a part of a job."""
        _ended(next(each for each in _below(self.folder) if each.title.startswith("ray::rows_of_part")))

    def kill_node(self) -> None:
        """End the node that was added last."""
        nodes = [each for each in _below(self.folder) if "raylet/raylet" in each.title]
        _ended(max(nodes, key=lambda each: each.pid))

    def _run(self, *arguments: str) -> None:
        path = f"{Path(self.ray).parent}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(  # noqa: S603 - a program that the user named
            [self.ray, *arguments],
            check=True,
            capture_output=True,
            timeout=180,
            cwd=tempfile.gettempdir(),
            env={**os.environ, "PATH": path, "PYTHONPATH": str(Path(__file__).parents[1])},
        )


@dataclass(frozen=True)
class _Process:
    """A process of this machine: how it calls itself, and who started it."""

    pid: int
    parent: int
    title: str


def _processes() -> dict[int, _Process]:
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked
            title = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
            found[int(place.name)] = _Process(int(place.name), int(parent), title)
    return found


def _below(folder: Path) -> list[_Process]:
    """The processes that speak of a folder, and those that they started."""
    every = _processes()
    ours = {pid for pid, each in every.items() if str(folder) in each.title}
    while more := {pid for pid, each in every.items() if each.parent in ours} - ours:
        ours |= more
    return [every[pid] for pid in ours if pid != os.getpid()]


def _ended(process: _Process) -> None:
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


def lines(size: Size) -> Iterator[str]:
    """The rows of docs/benchmarks.md; raises AssertionError where a fault changed a number."""
    ray = shutil.which("ray")
    if ray is None:
        yield "| where | what was measured |"
        yield "| --- | --- |"
        yield "| Ray, one worker and two | nothing: no program ray is on the PATH |"
        yield '| Ray, through faults | nothing: pip install "ray[default]" |'
        return
    cluster = RayCluster(ray, Path(tempfile.mkdtemp(prefix="slimscope-ray-")))
    os.environ["SLIMSCOPE_RUNNER"] = f"ray://127.0.0.1:{DASHBOARD}"
    name, plan = ("resnet", ScanPlan(points=20)) if size == FULL else ("lenet300", ScanPlan(points=8))
    model = Model.original(load_sample(name))
    job = SCAN.job(model, plan, 0, found_in=name)
    try:
        yield from _measured(cluster, job, points=_count)
    finally:
        cluster.go()
        shutil.rmtree(cluster.folder, ignore_errors=True)
        os.environ.pop("SLIMSCOPE_RUNNER")


def _measured(cluster: RayCluster, job: Job, points: Callable[[Sensitivity], int]) -> Iterator[str]:
    yield "| where, and what happens | seconds | points | state | table as without a cluster |"
    yield "| --- | --- | --- | --- | --- |"
    with _runner(LocalRunner) as local:
        took, info = _done(local, job)
        wanted = SCAN.result(_left(local, job))
    yield _row("this machine, one worker", took, info, points(wanted), same=True)
    cluster.come()
    with _runner(RayRunner) as one:
        alone, info = _done(one, job)
        yield _row(
            "Ray, one worker", alone, info, points(wanted), same=SCAN.result(_left(one, job)) == wanted
        )
    cluster.add_node()
    with _runner(RayRunner) as two:
        both, info = _done(two, job)
        yield _row(
            "Ray, two workers", both, info, points(wanted), same=SCAN.result(_left(two, job)) == wanted
        )
    yield f"\nTwo workers are {alone / both:.2f} times as fast as one (goal: {GOAL}).\n"
    yield "| fault in mid-scan | longest look at the job, s | state | table as without a cluster |"
    yield "| --- | --- | --- | --- |"
    for title, fault in _FAULTS.items():
        with _runner(RayRunner) as runner:
            slowest, info = _through(runner, job, cluster, fault)
            same = info.state is State.DONE and SCAN.result(_left(runner, job)) == wanted
            yield f"| {title} | {slowest:.3f} | {info.state.value} | {'yes' if same else 'no'} |"
            assert same, f"{title}: {info.problem}"
            assert slowest < 1, f"{title}: a page would have waited {slowest:.1f} s"


def _head_away(cluster: RayCluster) -> None:
    cluster.go()
    time.sleep(20)
    cluster.come()
    cluster.add_node()


def _node_gone(cluster: RayCluster) -> None:
    """The node that was added last is killed; another one takes its place."""
    cluster.kill_node()
    cluster.add_node()


_FAULTS: dict[str, Callable[[RayCluster], None]] = {
    "a worker's process is killed": RayCluster.kill_part,
    "a node is gone": _node_gone,
    "the cluster is gone for 20 s and comes back empty": _head_away,
}


@contextmanager
def _runner(make: Callable[[Workspace], LocalRunner]) -> Iterator[LocalRunner]:
    folder = Path(tempfile.mkdtemp(prefix="slimscope-benchmark-"))
    runner = make(Workspace.at(folder))
    try:
        yield runner
    finally:
        runner.close()
        shutil.rmtree(folder, ignore_errors=True)


def _done(runner: Runner, job: Job) -> tuple[float, Info]:
    began = time.monotonic()
    runner.submit(job, ME)
    assert list(runner.as_done([job.key], PATIENCE)), "the job does not end"
    return time.monotonic() - began, runner.info(job.key)


def _through(
    runner: Runner, job: Job, cluster: RayCluster, fault: Callable[[RayCluster], None]
) -> tuple[float, Info]:
    """Do a job, with a fault once it has told a third; gives the longest look at it."""
    runner.submit(job, ME)
    slowest, happened = 0.0, False
    while not runner.info(job.key).is_over:
        began = time.monotonic()
        info = runner.info(job.key)
        slowest = max(slowest, time.monotonic() - began)
        if not happened and info.progress is not None and 0.3 < info.progress.share < 0.9:
            happened = True
            fault(cluster)
        time.sleep(0.2)
    assert happened, f"the job was over before anything could happen to it: {runner.info(job.key)}"
    return slowest, runner.info(job.key)


def _left(runner: Runner, job: Job) -> bytes:
    content = runner.result(job.key)
    assert content is not None, f"nothing was left: {runner.info(job.key)}"
    return content


def _count(found: Sensitivity) -> int:
    return sum(len(curve.points) for curve in found.curves)


def _row(where: str, seconds: float, info: Info, points: int, *, same: bool) -> str:
    return f"| {where} | {seconds:.1f} | {points:,} | {info.state.value} | {'yes' if same else 'no'} |"
