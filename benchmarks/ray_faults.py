"""What may go wrong with a scan on a real cluster, each as one line of a table."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from benchmarks.ray_machine import ROOT, RayCluster, cluster_of, signaled
from benchmarks.ray_proxy import changing_logs
from benchmarks.ray_watch import EVERY, ME, Outcome, Scene, Watch
from compress_core.foundation.atomic_file import write_whole
from compress_core.jobs.cluster.bridge import SILENT
from compress_core.jobs.cluster.lines import MARK
from compress_core.jobs.info import State
from compress_core.jobs.job import Job

AWAY = 20.0
SLOW = 10.0
DAY = 86_400
FULL = 4096
"""Bytes after which a disk is full: no file grows beyond them."""
_KILLED = re.compile(r"Killing \d+ worker\(s\), kill details(.{0,2000})", re.DOTALL)
_PATH, _JUMP = "PYTHONPATH", "jump"
_MARGIN = 0.1  # of the machine's memory, between what is used and what Ray allows
_STEP, _LEAST_LEFT = 2**29, 2**31  # bytes


@dataclass(frozen=True)
class ClusterFault:
    """Something that goes wrong: title says what, happens has it happen.

    nodes, tree, around: of what cluster; both are asked with a folder that goes with it.
    """

    title: str
    happens: Callable[[Scene], Outcome]
    nodes: int = 2
    around: Callable[[Path], Mapping[str, str]] = lambda _: {}
    tree: Callable[[Path], Path] = lambda _: ROOT


def _worker_killed(scene: Scene) -> Outcome:
    with scene.watching() as watch:
        watch.until_midway()
        signaled([scene.cluster.part()], signal.SIGKILL)
        return watch.ended()


def _node_gone(scene: Scene) -> Outcome:
    with scene.watching() as watch:
        watch.until_midway()
        signaled(scene.cluster.newest_node()[:1], signal.SIGKILL)
        scene.cluster.add_node()
        return watch.ended()


def _head_away(scene: Scene) -> Outcome:
    with scene.watching() as watch:
        watch.until_midway()
        scene.cluster.go()
        watch.look_for(AWAY)
        scene.cluster.come()
        scene.cluster.add_node()
        return watch.ended()


def _no_memory(scene: Scene) -> Outcome:
    """Another program takes more and more, until Ray has ended a part; then it lets go."""
    hog = f"import sys\nheld = []\nprint(1, flush=True)\nfor _ in sys.stdin: held.append(b'x' * {_STEP})\n"
    with scene.watching() as watch:
        watch.until_midway()
        with _child(hog) as process:
            ended = _until_one_is_ended(scene.cluster, watch, process)
        found = watch.ended()
        return replace(found, said=f"{found.said}, after Ray ended {ended} of its parts for want of memory")


def _until_one_is_ended(cluster: RayCluster, watch: Watch, hog: subprocess.Popen[bytes]) -> int:
    """Have it take more, step by step; how many parts Ray ended, as its logs say, at least one.

    Raises AssertionError where it ends none before the machine itself is short of memory.
    """
    parts: set[int] = set()
    while not (ended := parts & _ended_by_ray(cluster)):
        assert _memory()["MemAvailable"] * 1024 > _LEAST_LEFT, "Ray ended no part, and the machine is full"
        parts |= {each.pid for each in cluster.processes() if each.is_part}
        assert hog.stdin is not None
        hog.stdin.write(b"more\n")
        hog.stdin.flush()
        watch.look_for(EVERY)
        assert not watch.look().is_over, "the job was over before memory was short"
    return len(ended)


def _ended_by_ray(cluster: RayCluster) -> set[int]:
    """The processes that Ray says it ended for want of memory; it ends idle ones first."""
    logs = cluster.folder.glob("session_2*/logs/raylet*.out")
    said = (found for log in logs for found in _KILLED.findall(log.read_text(errors="replace")))
    return {int(number) for text in said for number in re.findall(r"\d+", text)}


@contextmanager
def _child(script: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program of ours that has said one line; it ends with its stdin."""
    process = subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _memory() -> dict[str, int]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def _tight_memory(_folder: Path) -> dict[str, str]:
    memory = _memory()
    used = 1 - memory["MemAvailable"] / memory["MemTotal"]
    threshold = f"{used + _MARGIN:.3f}"
    return {"RAY_memory_usage_threshold": threshold, "RAY_memory_monitor_refresh_ms": "100"}


def _cut_off(scene: Scene) -> Outcome:
    """What tells that a result is whole does not arrive the first time."""
    lost: list[bool] = []

    def change(log: str) -> str:
        return "".join(line for line in log.splitlines(keepends=True) if lost or '{"whole": ' not in line)

    with changing_logs(change) as address, scene.watching(address=address) as watch:
        watch.until_midway()
        watch.until_over()
        first = watch.look()
        assert first.state is State.FAILED, first
        lost.append(True)
        return watch.ended_and_again()


def _twice(scene: Scene) -> Outcome:
    def change(log: str) -> str:
        return "".join(line * (2 if MARK in line else 1) for line in log.splitlines(keepends=True))

    with changing_logs(change) as address, scene.watching(address=address) as watch:
        watch.until_midway()
        return watch.ended()


def _full_there(scene: Scene) -> Outcome:
    with scene.watching() as watch:
        watch.until_midway()
        _fill(scene.cluster.driver().pid)
        return watch.ended_and_again()


def _full_here(scene: Scene) -> Outcome:
    with scene.watching() as watch:
        pid = watch.until_midway().pid
        assert pid is not None
        _fill(pid)
        return watch.ended_and_again()


def _fill(pid: int) -> None:
    """From now on no file of a process grows."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL, resource.RLIM_INFINITY))


def _cancelled(reached: Callable[[Scene, Watch], None]) -> Callable[[Scene], Outcome]:
    """Cancelled where it is; then nothing of it runs there, and started again it is done."""

    def happens(scene: Scene) -> Outcome:
        with scene.watching(most_at_once=1) as watch:
            reached(scene, watch)
            took = _seconds_to_cancel(watch)
            watch.runner.cancel(_other(watch.job).key, ME)
            _wait_for_nobody(scene.cluster)
            if not scene.cluster.processes():
                scene.cluster.come()
                scene.cluster.add_node()
            watch.submit()
            again = watch.ended()
            return replace(again, said=f"cancelled in {took:.1f} s; again: {again.said}")

    return happens


def _seconds_to_cancel(watch: Watch) -> float:
    began = time.monotonic()
    watch.runner.cancel(watch.job.key, ME)
    found = watch.until_over()
    assert found.state is State.CANCELLED, found
    return time.monotonic() - began


def _wait_for_nobody(cluster: RayCluster) -> None:
    """Until nothing of a job runs on the cluster; raises AssertionError where something goes on."""
    end = time.monotonic() + 60
    while any(each.is_part or each.is_driver for each in cluster.processes()):
        assert time.monotonic() < end, "what was cancelled goes on there"
        time.sleep(0.5)


def _other(job: Job) -> Job:
    return replace(job, seed=job.seed + 1)


def _queued(_scene: Scene, watch: Watch) -> None:
    watch.runner.submit(_other(watch.job), ME)
    watch.submit()
    assert watch.look().state is State.QUEUED


def _pending(_scene: Scene, watch: Watch) -> None:
    watch.submit()
    watch.until(lambda info: info.progress is not None)


def _running(_scene: Scene, watch: Watch) -> None:
    watch.until_midway()


def _silent(scene: Scene, watch: Watch) -> None:
    watch.until_midway()
    scene.cluster.go()
    watch.until(lambda info: info.progress is not None and info.progress.note == SILENT)


def _another_release(scene: Scene) -> Outcome:
    with scene.watching() as watch:
        watch.submit()
        problem = watch.until_over().problem
        assert "install the same release" in str(problem), problem
        return replace(watch.ended(), same=None)


def _other_source(tree: Path) -> Path:
    """The project with one more line."""
    for name in ("compress_core", "sample_models"):
        shutil.copytree(ROOT / name, tree / name)
    with (tree / "compress_core" / "__init__.py").open("a") as file:
        file.write("# another release\n")
    return tree


def _clock_jumps(scene: Scene) -> Outcome:
    """What the Python processes of the cluster take for the time goes a day ahead, then two days back."""
    said = Path(scene.cluster.around[_PATH].split(os.pathsep)[0]) / _JUMP
    with scene.watching() as watch:
        watch.until_midway()
        for days in (1, -1):
            write_whole(said, str(days * DAY).encode())
            watch.look_for(SLOW / 2)
        return watch.ended()


def _lied_to(place: Path) -> dict[str, str]:
    """What Python reads at its start, and has it add to the time what a file says."""
    (place / _JUMP).write_text("0")
    (place / "sitecustomize.py").write_text(
        "import time\nfrom pathlib import Path\n"
        "told, real = Path(__file__).with_name('jump'), time.time\n"
        "time.time = lambda: real() + float(told.read_text())\n"
        "time.time_ns = lambda: int(1e9 * time.time())\n"
    )
    return {_PATH: f"{place}{os.pathsep}{ROOT}"}


def _slow_node(scene: Scene) -> Outcome:
    """All that runs on a node stands still for a while."""
    with scene.watching() as watch:
        watch.until_midway()
        node = scene.cluster.newest_node()
        signaled(node, signal.SIGSTOP)
        watch.look_for(SLOW)
        signaled(node, signal.SIGCONT)
        return watch.ended()


def _two_dashboards(scene: Scene) -> Outcome:
    """Both want the same job; one does not want it any more, and the other's goes on."""
    with scene.watching() as mine, scene.watching() as theirs:
        theirs.submit()
        mine.until_midway()
        _seconds_to_cancel(theirs)
        assert not mine.look().is_over
        return mine.ended()


FAULTS: Mapping[str, ClusterFault] = MappingProxyType(
    {
        "worker": ClusterFault("a worker's process is killed", _worker_killed),
        "node": ClusterFault("a node is gone, another comes", _node_gone),
        "head": ClusterFault(f"the head is gone for {AWAY:.0f} s and comes back empty", _head_away),
        "memory": ClusterFault("memory runs out on the nodes for a while", _no_memory, around=_tight_memory),
        "truncated": ClusterFault("the result comes cut off", _cut_off),
        "twice": ClusterFault("every line of the log comes twice", _twice),
        "full_there": ClusterFault("the disk of the driver is full", _full_there),
        "full_here": ClusterFault("the disk of this server is full", _full_here),
        "cancel_queued": ClusterFault("cancelled while it is queued here", _cancelled(_queued)),
        "cancel_pending": ClusterFault("cancelled while it waits there", _cancelled(_pending)),
        "cancel_running": ClusterFault("cancelled while it runs there", _cancelled(_running)),
        "cancel_silent": ClusterFault("cancelled while the cluster is silent", _cancelled(_silent)),
        "release": ClusterFault("another release runs there", _another_release, nodes=1, tree=_other_source),
        "clock": ClusterFault(
            "the cluster's clock jumps a day ahead, two back", _clock_jumps, around=_lied_to
        ),
        "slow": ClusterFault(f"a node stands still for {SLOW:.0f} s", _slow_node),
        "dashboards": ClusterFault("two dashboards on one cluster, one cancels", _two_dashboards),
    }
)


def line_of_fault(fault: ClusterFault, job: Job, wanted: object) -> str:
    """Have it happen on a cluster of its own; raises AssertionError where a page waits or numbers change."""
    with tempfile.TemporaryDirectory(prefix="slimscope-fault-") as folder:
        place = Path(folder)
        with cluster_of(fault.nodes, fault.tree(place), fault.around(place)) as cluster:
            found = fault.happens(Scene(cluster, job, wanted))
    assert found.slowest < 1, f"{fault.title}: a page would have waited {found.slowest:.1f} s"
    assert found.same is not False, f"{fault.title}: {found.said}"
    same = "no table" if found.same is None else "yes"
    return f"| {fault.title} | {found.slowest:.3f} | {found.said} | {same} |"
