"""A real Ray cluster on this machine, on 127.0.0.1 alone, whose processes are ended by their ids."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

DASHBOARD = int(os.environ.get("SLIMSCOPE_CLUSTER_PORT", "8275"))
PORT = DASHBOARD - 1876
ADDRESS = f"ray://127.0.0.1:{DASHBOARD}"
ROOT = Path(__file__).resolve().parent.parent
_SECONDS = 180
_SETTLING_S, _SETTLED = 5.0, 0.2  # less than a fifth of a processor over five seconds


@dataclass(frozen=True)
class MachineProcess:
    """A process of this machine: how it calls itself, and who started it."""

    pid: int
    parent: int
    title: str

    @property
    def is_part(self) -> bool:
        return self.title.startswith("ray::rows_of_part")

    @property
    def serves_clients(self) -> bool:
        """The server for Ray Client, which a head starts: nobody here asks it, and it outlives the head."""
        return "ray.util.client.server" in self.title and f":{PORT} " in self.title

    @property
    def is_driver(self) -> bool:
        return "compress_core.jobs --cluster" in self.title and "python" in self.title.split(" ")[0]


@dataclass(eq=False)
class RayCluster:
    """A head, and nodes that are added to it, each with one processor; folder tells its processes.

    tree: the source that runs there; around: what else their environment holds; processors: of the head.
    """

    ray: str
    folder: Path
    tree: Path = ROOT
    around: Mapping[str, str] = field(default_factory=dict)
    processors: int = 1

    def come(self) -> None:
        """Start the head, whose processors do work too."""
        self._run(
            "start", "--head", f"--num-cpus={self.processors}", f"--port={PORT}",
            "--dashboard-host=127.0.0.1", f"--dashboard-port={DASHBOARD}", "--node-ip-address=127.0.0.1",
            "--disable-usage-stats", f"--temp-dir={self.folder}", "--include-log-monitor=false",
        )  # fmt: skip

    def add_node(self) -> None:
        """Start another node."""
        self._run(
            "start", f"--address=127.0.0.1:{PORT}", "--num-cpus=1", "--node-ip-address=127.0.0.1",
            "--disable-usage-stats",
        )  # fmt: skip

    def settle(self) -> None:
        """Wait until what a cluster does when it begins is over, as it is for who comes later."""
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            before = self._spent()
            time.sleep(_SETTLING_S)
            if self._spent() - before < _SETTLED * _SETTLING_S:
                return

    def _spent(self) -> float:
        """Seconds of a processor that those of its processes that are there have taken."""
        return sum(_spent_by(each.pid) for each in self.processes())

    def go(self) -> None:
        """End all of it at once."""
        for _ in range(3):  # what starts another process is perhaps ended after it
            signaled(self.processes(), signal.SIGKILL)
            time.sleep(0.2)

    def processes(self) -> list[MachineProcess]:
        """All that belong to it."""
        every = _processes()
        ours = {pid for pid, each in every.items() if str(self.folder) in each.title or each.serves_clients}
        while more := {pid for pid, each in every.items() if each.parent in ours} - ours:
            ours |= more
        return [every[pid] for pid in ours if pid != os.getpid()]

    def part(self) -> MachineProcess:
        """A process that does a part of a job."""
        return next(each for each in self.processes() if each.is_part)

    def driver(self) -> MachineProcess:
        """The process that hands out the parts of a job."""
        return max((each for each in self.processes() if each.is_driver), key=lambda each: each.pid)

    def newest_node(self) -> list[MachineProcess]:
        """The processes of the node that was added last, itself first."""
        every = self.processes()
        node = max((each for each in every if "raylet/raylet" in each.title), key=lambda each: each.pid)
        return [node, *(each for each in every if each.parent == node.pid)]

    def _run(self, *arguments: str) -> None:
        path = f"{Path(self.ray).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "PYTHONPATH": str(self.tree), **self.around}
        subprocess.run(  # noqa: S603 - a program that the user named
            [self.ray, *arguments],
            check=True,
            capture_output=True,
            timeout=_SECONDS,
            cwd=tempfile.gettempdir(),
            env={**os.environ, **own},
        )


@contextmanager
def cluster_of(
    nodes: int,
    tree: Path = ROOT,
    around: Mapping[str, str] | None = None,
    processors: int = 1,
) -> Iterator[RayCluster]:
    """A cluster of so many nodes, the first with so many processors; all of it is gone afterwards."""
    ray = shutil.which("ray")
    assert ray is not None, 'no program ray is on the PATH: pip install "ray[default]"'
    folder = Path(tempfile.mkdtemp(prefix="slimscope-ray-"))
    cluster = RayCluster(ray, folder, tree, around or {}, processors)
    try:
        cluster.come()
        for _ in range(nodes - 1):
            cluster.add_node()
        yield cluster
    finally:
        cluster.go()
        shutil.rmtree(cluster.folder, ignore_errors=True)


def signaled(processes: Iterable[MachineProcess], number: signal.Signals) -> None:
    """Send a signal to each that is still there."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _spent_by(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:  # it ended while we looked
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _processes() -> dict[int, MachineProcess]:
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked
            title = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
            found[int(place.name)] = MachineProcess(int(place.name), int(parent), title)
    return found
