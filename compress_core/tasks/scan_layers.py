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

EQUAL_SHARDS, HALVINGS = 6, 3
"""Of the shards for each processor: a slow node does fewer of them, and a node that is gone loses one."""


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


def shards_for(processors: int) -> list[str]:
    """All points in shards of falling size, so that the last ones end at about the same time.

    Some equal ones for each processor; in the place of the last of them one of half its size, one of a
    quarter, and so on: what is every 12th point from the 3rd is every 24th from the 3rd and from the 15th.
    """
    of = EQUAL_SHARDS * processors
    shards = [f"{number}/{of}" for number in range(1, of - processors + 1)]
    left = range(of - processors + 1, of + 1)
    for _ in range(HALVINGS):
        shards.extend(f"{number}/{2 * of}" for number in left)
        left = range(left.start + of, left.stop + of)
        of *= 2
    return [*shards, *(f"{number}/{of}" for number in left)]


def scan_parts(plan: ScanPlan, processors: int) -> list[WorkPart]:
    """Parts for so many processors, each with the points of its own."""
    plans = (plan.model_copy(update={"shard": shard}) for shard in shards_for(processors))
    return [WorkPart(SCAN.kind, each.model_dump_json()) for each in plans]


SCAN = Task(
    "scan",
    ScanPlan,
    lambda _: (VALIDATION,),
    run,
    pack,
    unpack,
    TaskParts(scan_parts),
    tells_names=True,
    order_only=("first",),
)
