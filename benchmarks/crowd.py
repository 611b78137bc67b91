"""Many people on one server: how long each waits, and what the server's memory does meanwhile.

`python -m benchmarks.crowd --sessions 30 --minutes 20` starts a server of its own and opens that many tabs on
Tune. Every tab does one thing every few seconds, in turn: it looks at another layer (a rerun), or it edits a
cell of the layer table, each time to a recipe that nobody has tried (a changed recipe). Visitors and server
share the machine, so the waits are upper bounds.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.page_visitor import PageVisitor
from compress_core.loading.samples import load_sample

ROOT = Path(__file__).resolve().parent.parent
TABLE = "tune.table."
RERUN, CHANGED = "rerun", "changed recipe"
LIMITS_S = {RERUN: 0.3, CHANGED: 1.0}
EARLY_S, MOST_GROWTH = 300.0, 1.1
_START_S, _WATCH_S, _MINUTE_S = 60.0, 5.0, 60.0
_PLACES = 1000  # of the sparsity: cells hold tenths of a percent


@dataclass
class Watched:
    """What was seen: (kind, wait) of every action, and (time, MiB, CPU seconds) of the server."""

    waits: list[tuple[str, float]] = field(default_factory=list)
    server: list[tuple[float, float, float]] = field(default_factory=list)

    def table(self) -> str:
        """The rows of docs/benchmarks.md."""
        head = ["| action | N | median s | p95 s | longest s | goal p95 s |", "|---|---|---|---|---|---|"]
        return "\n".join([*head, *(self._row(kind) for kind in LIMITS_S), "", self._memory(), self._cpu()])

    def _row(self, kind: str) -> str:
        seconds = np.array([wait for which, wait in self.waits if which == kind])
        shown = (np.median(seconds), np.quantile(seconds, 0.95), seconds.max(), LIMITS_S[kind])
        return f"| {kind} | {len(seconds):,} | " + " | ".join(f"{value:.2f}" for value in shown) + " |"

    def _memory(self) -> str:
        """What it holds, the median of a minute: what a script takes for a moment comes and goes."""
        start, end = self.server[0][0], self.server[-1][0]
        at = min(start + EARLY_S, end)
        early, last = self._middle_until(at), self._middle_until(end)
        return (
            f"Memory of the server: {early:,.0f} MiB after {(at - start) / 60:.0f} minutes, "
            f"{last:,.0f} after {(end - start) / 60:.0f}: x {last / early:.2f} "
            f"(goal: at most {MOST_GROWTH}; each the median of a minute)."
        )

    def _middle_until(self, moment: float) -> float:
        looks = [size for at, size, _ in self.server if moment - _MINUTE_S <= at <= moment]
        return float(np.median(looks))

    def _cpu(self) -> str:
        (start, _, before), (end, _, after) = self.server[0], self.server[-1]
        each = (after - before) / len(self.waits)
        return f"CPU of the server: {(after - before) / (end - start):.2f} cores, {each:.2f} s an action."


def main(
    sessions: Annotated[int, typer.Option(help="Tabs that are open at once.")] = 30,
    minutes: Annotated[float, typer.Option(help="How long they go on.")] = 20,
    every: Annotated[float, typer.Option(help="Seconds from one action of a tab to its next.")] = 5,
    models: Annotated[str, typer.Option(help="Samples that are opened, in turn.")] = "lenet5",
    server: Annotated[str, typer.Option(help="More options for the server, as Streamlit takes them.")] = "",
) -> None:
    """Measure a crowd on a server of its own and print the table."""
    with served(server.split()) as (address, process):
        print(asyncio.run(crowd(address, process, sessions, minutes * 60, every, models.split(","))).table())


@contextmanager
def served(options: Sequence[str], more: Mapping[str, str] | None = None) -> Iterator[tuple[str, int]]:
    """A server on a free port with a workspace of its own: its address and process.

    more: what else its environment holds.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), *options]
    with tempfile.TemporaryDirectory() as folder:
        around = {**os.environ, "SLIMSCOPE_WORKSPACE": folder, "OMP_NUM_THREADS": "1", **(more or {})}
        process = subprocess.Popen(command, cwd=ROOT, env=around, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
        try:
            _wait_for(port)
            yield f"127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, f"no server on port {port}"
            time.sleep(0.2)
        else:
            return


async def crowd(
    address: str, process: int, sessions: int, seconds: float, every: float, models: Sequence[str]
) -> Watched:
    """Open the tabs one after the other, then let all of them work until the time is over."""
    seen = Watched()
    tabs = [await opened(address, models[number % len(models)], number) for number in range(sessions)]
    end = time.monotonic() + seconds
    watching = asyncio.create_task(_watch(process, seen))
    await asyncio.gather(*(tab.work(end, every, seen) for tab in tabs))
    watching.cancel()
    seen.server.append(process_now(process))
    return seen


@dataclass
class CrowdTab:
    """One of the crowd: who, the layers of its model, and what it does by chance."""

    visitor: PageVisitor
    layers: Sequence[str]
    chance: random.Random
    looks_at: str = ""

    async def once(self, kind: str) -> float:
        """Do something of a kind; the wait in seconds."""
        return await (self._look() if kind == RERUN else self._change())

    async def work(self, end: float, every: float, seen: Watched) -> None:
        """One action every few seconds; a tab that had to wait longer goes on at once."""
        due = time.monotonic() + every * self.chance.random()
        while due < end:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            seen.waits.append((RERUN, await self._look()))
            due = max(due + every, time.monotonic())
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            seen.waits.append((CHANGED, await self._change()))
            due = max(due + every, time.monotonic())
        await self.visitor.close()

    async def _look(self) -> float:
        self.looks_at = self.chance.choice([name for name in self.layers if name != self.looks_at])
        return await self.visitor.at_table(TABLE, self.looks_at, "name")

    async def _change(self) -> float:
        layer, percent = self.chance.choice(self.layers), self.chance.randrange(1, _PLACES) / 10
        return await self.visitor.at_table(TABLE, layer, "prune", str(percent))


async def opened(address: str, model: str, number: int) -> CrowdTab:
    """A tab on Tune with a model."""
    layers = [layer.name for layer in load_sample(model).layers]
    chance = random.Random(number)  # noqa: S311 - who clicks where is no secret
    return CrowdTab(await PageVisitor.open(address, f"m={model}", "tune"), layers, chance)


async def _watch(process: int, seen: Watched) -> None:
    while True:
        seen.server.append(process_now(process))
        await asyncio.sleep(_WATCH_S)


def process_now(process: int) -> tuple[float, float, float]:
    """(seconds, MiB resident, CPU seconds) of a process; reads /proc, so Linux only."""
    folder = Path("/proc") / str(process)
    pages = int((folder / "statm").read_text().split()[1])
    ticks = (folder / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
    mebibytes = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return time.monotonic(), mebibytes, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    typer.run(main)
