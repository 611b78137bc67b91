"""A scan of what each layer bears."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.killed_process import Say
from benchmarks.killed_work import Killed, Traces, highest, killed, nothing, whole_sample, workspace_damage
from compress_core.decide.family import Family
from compress_core.decide.scan_plan import ScanPlan
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.tasks.scan_layers import SCAN

FEW, MANY = ScanPlan(points=2, sample=60, families=(Family.PRUNE,)), ScanPlan(points=3, sample=100)


@killed("scans", order=6)
def scanning_places(*, small: bool) -> Killed:
    """Before each point it says how many are kept."""
    return Killed(partial(_scan, plan=FEW if small else MANY), nothing, _lost, _damaged)


def _scan(folder: Path, say: Say, *, plan: ScanPlan) -> str:
    place = Workspace.at(folder)
    work = SCAN.run(whole_sample(), plan, 0, Store(workspace=place))
    while True:
        try:
            next(work)
        except StopIteration as end:
            place.close()
            return hashlib.sha256(SCAN.pack(end.value).as_bytes()).hexdigest()
        say(str(len(place.scans.of_parent(whole_sample().key))))


def _scanned(folder: Path) -> Mapping[str, object]:
    place = Workspace.at(folder)
    found = place.scans.of_parent(whole_sample().key)
    place.close()
    return found


def _lost(traces: Traces) -> int:
    return max(0, highest(traces.said) - len(_scanned(traces.folder)))


def _damaged(traces: Traces) -> int:
    found, whole = _scanned(traces.folder), _scanned(traces.whole)
    return sum(whole.get(key) != point for key, point in found.items()) + workspace_damage(traces)
