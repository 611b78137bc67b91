"""A page that stays open while the head of its cluster is dead: who works there, and what becomes of the job.

`python -m benchmarks cluster_away` starts a cluster and a server on it. A visitor starts a scan and
watches it, others edit recipes on Tune. In mid-scan the cluster is gone; after ten minutes another one
comes, which knows of nothing. SLIMSCOPE_AWAY says for how many seconds instead.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.crowd import CHANGED, LIMITS_S, RERUN, CrowdTab, Watched, opened, served
from benchmarks.networks import FULL, Size
from benchmarks.page_visitor import PageVisitor
from benchmarks.ray_machine import ADDRESS, RayCluster, cluster_of
from compress_core.apply.model import Model
from compress_core.decide.scan_plan import ScanPlan
from compress_core.foundation.progress import result_of
from compress_core.foundation.release import lasting_key
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.folder import VARIABLE
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.cluster.address import RUNNER
from compress_core.loading.samples import load_sample
from compress_core.tasks.scan_layers import SCAN

MODEL = "resnet"  # its scan takes minutes, even where nothing else runs
AWAY, AWAY_SECONDS = "SLIMSCOPE_AWAY", 600.0
SESSIONS, EVERY = 3, 5.0
START = "Measure what each layer bears"
BEFORE, DURING, AFTER = "before", "while the head is dead", "after it came back"
PHASES = (BEFORE, DURING, AFTER)
GOAL_S = 1.0
_PATIENCE = 900.0


@dataclass
class Stay:
    """What was seen: waits by phase and kind, and what the job's panel said, each once."""

    phase: str = BEFORE
    seen: dict[str, Watched] = field(default_factory=lambda: {phase: Watched() for phase in PHASES})
    said: list[str] = field(default_factory=list)

    def hear(self, texts: list[str]) -> None:
        """Note what is new of what the page says of the cluster."""
        for text in texts:
            if text.startswith("Cluster ") and (not self.said or text != self.said[-1].split(": ", 1)[1]):
                self.said.append(f"{self.phase}: {text}")


def lines(size: Size) -> Iterator[str]:
    """The rows of docs/benchmarks.md; raises AssertionError where the table differs or somebody waited."""
    if shutil.which("ray") is None:
        yield "| when | what was seen |"
        yield "| --- | --- |"
        yield "| before | nothing: no program ray is on the PATH |"
        yield '| while the head is dead | nothing: pip install "ray[default]" |'
        return
    away = float(os.environ.get(AWAY, AWAY_SECONDS if size is FULL else 5.0))
    folder = Path(tempfile.mkdtemp(prefix="slimscope-away-"))
    around = {RUNNER: ADDRESS, VARIABLE: str(folder)}
    try:
        with cluster_of(2) as cluster, served([], around) as (address, _):
            stay = asyncio.run(_stayed(address, cluster, away, folder))
        yield from _table(stay)
        yield from (f"* {said}" for said in stay.said)
        same = Workspace.at(folder).scans.of_parent(_model().key) == _rows_here()
        yield f"\nThe table is the same as without a cluster: {'yes' if same else 'no'}."
        assert same, "the table differs"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _table(stay: Stay) -> Iterator[str]:
    yield "| when | what a visitor does | N | median s | p95 s | longest s |"
    yield "| --- " * 6 + "|"
    for phase in PHASES:
        for kind in LIMITS_S:
            seconds = np.array([wait for which, wait in stay.seen[phase].waits if which == kind])
            if len(seconds):
                shown = (np.median(seconds), np.quantile(seconds, 0.95), seconds.max())
                cells = " | ".join(f"{value:.2f}" for value in shown)
                yield f"| {phase} | {kind} | {len(seconds):,} | {cells} |"


async def _stayed(address: str, cluster: RayCluster, away: float, folder: Path) -> Stay:
    stay = Stay()
    tabs = [await opened(address, MODEL, number) for number in range(SESSIONS)]
    watcher = await PageVisitor.open(address, f"m={MODEL}&tab=layer_sensitivity&lang=en", "trade_offs")
    await watcher.press(START)
    work = [asyncio.create_task(_at_work(tab, stay)) for tab in tabs]
    work.append(asyncio.create_task(_watching(watcher, stay)))
    try:
        await _until(lambda: any("parts done" in said for said in stay.said), work)
        await asyncio.sleep(2 * EVERY)
        await asyncio.to_thread(cluster.go)
        stay.phase = DURING
        assert not _result_is_in(folder), "the scan was over before the cluster was gone"
        dead = time.monotonic()
        await _until(lambda: time.monotonic() - dead > away, work)
        assert not _result_is_in(folder), "somebody else had a cluster there"
        await asyncio.to_thread(cluster.come)
        await asyncio.to_thread(cluster.add_node)
        stay.phase = AFTER
        await _until(lambda: _result_is_in(folder), work)
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    return stay


async def _until(holds: Callable[[], bool], work: list[asyncio.Task[None]]) -> None:
    """Wait until something holds; raises AssertionError where it does not, or a visitor has left."""
    end = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        for task in work:
            if task.done():  # what made a visitor leave is raised here
                task.result()
        await asyncio.sleep(0.5)


async def _at_work(tab: CrowdTab, stay: Stay) -> None:
    """Another layer and a changed recipe, in turn; a wait counts for the phase in which it began."""
    while True:
        for kind in (RERUN, CHANGED):
            seen = stay.seen[stay.phase]
            await asyncio.sleep(EVERY)
            seen.waits.append((kind, await tab.once(kind)))


async def _watching(watcher: PageVisitor, stay: Stay) -> None:
    while True:
        await watcher.pause(EVERY)
        stay.hear(watcher.texts)
        watcher.texts.clear()


def _result_is_in(folder: Path) -> bool:
    job = SCAN.job(_model(), ScanPlan(), 0, found_in=MODEL)
    return Workspace.at(folder).results.has(lasting_key(job.key))


def _model() -> Model:
    return Model.original(load_sample(MODEL))


def _rows_here() -> dict[str, object]:
    folder = Path(tempfile.mkdtemp(prefix="slimscope-here-"))
    try:
        workspace = Workspace.at(folder)
        result_of(SCAN.run(_model(), ScanPlan(), 0, Store(workspace=workspace)))
        return workspace.scans.of_parent(_model().key)
    finally:
        with suppress(OSError):
            shutil.rmtree(folder)
