"""Measure what each place of a network bears, as a job: what was interrupted goes on from its rows."""

from __future__ import annotations

from collections.abc import Generator

from compress_core.apply.model import Model
from compress_core.decide.scan import VALIDATION, scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.scan_table import curves_of, point_as_json, point_from_json
from compress_core.decide.sensitivity import Sensitivity
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.jobs.task import ResultFiles, Task, TaskParts, WorkPart


def run(model: Model, knobs: ScanPlan, _seed: int, store: Store) -> Generator[Progress, None, Sensitivity]:
    """Scan; nothing in it is random. Raises Refused as `scan` does."""
    return (yield from scan(model, knobs, store))


def pack(found: Sensitivity) -> ResultFiles:
    """All of it as plain values: there are few numbers."""
    facts = {
        "parent": found.parent,
        "subject": found.subject,
        "split": found.split,
        "items": found.items,
        "n": found.n,
        "points": [point_as_json(point) for curve in found.curves for point in curve.points],
    }
    return ResultFiles({}, facts)


def unpack(packed: ResultFiles) -> Sensitivity:
    """The reverse of `pack`."""
    facts = packed.facts
    curves = curves_of(point_from_json(said) for said in facts["points"])
    return Sensitivity(facts["parent"], facts["subject"], facts["split"], facts["items"], facts["n"], curves)


def scan_parts(plan: ScanPlan, count: int) -> list[WorkPart]:
    """So many parts, each with the points of its own."""
    plans = (plan.model_copy(update={"shard": f"{part}/{count}"}) for part in range(1, count + 1))
    return [WorkPart(SCAN.kind, each.model_dump_json()) for each in plans]


SCAN = Task("scan", ScanPlan, lambda _: (VALIDATION,), run, pack, unpack, TaskParts(scan_parts))
