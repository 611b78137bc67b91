"""A search for trade-offs, with the scan that it begins with."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from functools import partial
from pathlib import Path

from benchmarks.killed.scanning_places import FEW
from benchmarks.killed_process import Say
from benchmarks.killed_work import Killed, Traces, highest, killed, nothing, whole_sample, workspace_damage
from compress_core.apply.model import Model
from compress_core.decide.recipe_numbers import EVALUATED
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.search import search
from compress_core.decide.search_plan import SearchPlan
from compress_core.decide.searched import Search
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.tasks.scan_layers import SCAN
from compress_core.tasks.search_recipes import SEARCH


@killed("searches", order=7)
def searching_recipes(*, small: bool) -> Killed:
    """Before each point and each recipe that is run it says how many of both are kept."""
    plan = SearchPlan(trials=20, evaluations=2) if small else SearchPlan(trials=40, evaluations=6)
    return Killed(partial(_search, scanned=FEW, plan=plan), nothing, _lost, workspace_damage)


def _search(folder: Path, say: Say, *, scanned: ScanPlan, plan: SearchPlan) -> str:
    place = Workspace.at(folder)
    model, store = whole_sample(), Store(workspace=place)
    work = _steps(model, scanned, plan, store)
    while True:
        try:
            next(work)
        except StopIteration as end:
            place.close()
            return hashlib.sha256(SEARCH.pack(end.value).as_bytes()).hexdigest()
        say(str(_kept(place)))


def _steps(
    model: Model, scanned: ScanPlan, plan: SearchPlan, store: Store
) -> Generator[Progress, None, Search]:
    curves = yield from SCAN.run(model, scanned, 0, store)
    return (yield from search(model, curves, plan, 0, store))


def _kept(place: Workspace) -> int:
    """Recipes whose numbers are kept, and points of the scan before them."""
    (count,) = place.database.rows("SELECT count(*) FROM results WHERE kind = ?", EVALUATED)[0]
    return int(count) + len(place.scans.of_parent(whole_sample().key))


def _lost(traces: Traces) -> int:
    place = Workspace.at(traces.folder)
    found = _kept(place)
    place.close()
    return max(0, highest(traces.said) - found)
