"""Turn one knob over all layers and see what breaks first."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from compress_core.apply.model import Model
from compress_core.decide.sweep import Sweep, SweepPlan, SweptPoint, sweep
from compress_core.foundation.plain_json import number_as_json, number_from_json
from compress_core.foundation.progress import Progress
from compress_core.foundation.refusal_json import refusal_as_json, refusal_from_json
from compress_core.foundation.store import Store
from compress_core.jobs.task import ResultFiles, Task


def run(model: Model, knobs: SweepPlan, seed: int, store: Store) -> Generator[Progress, None, Sweep]:
    """Sweep; raises Refused where no layer can be treated, or a method cannot explain the model."""
    return (yield from sweep(model, knobs, seed, store))


def pack(found: Sweep) -> ResultFiles:
    """All of it as plain values: there are few numbers."""
    facts = {
        "plan": found.plan.model_dump(mode="json"),
        "n": found.n,
        "points": [_point_as_json(point) for point in found.points],
        "left_out": [[name, refusal_as_json(reason)] for name, reason in found.left_out],
    }
    return ResultFiles({}, facts)


def _point_as_json(point: SweptPoint) -> dict[str, Any]:
    return {
        "value": point.value,
        "numbers": {name: number_as_json(number) for name, number in point.numbers.items()},
        "is_worse": sorted(point.is_worse),
        "file_bytes": point.file_bytes,
        "reason": None if point.reason is None else refusal_as_json(point.reason),
    }


def unpack(packed: ResultFiles) -> Sweep:
    """The reverse of `pack`."""
    facts = packed.facts
    return Sweep(
        SweepPlan.model_validate_json(json.dumps(facts["plan"])),
        tuple(_point(said) for said in facts["points"]),
        tuple((name, refusal_from_json(reason)) for name, reason in facts["left_out"]),
        facts["n"],
    )


def _point(said: dict[str, Any]) -> SweptPoint:
    return SweptPoint(
        said["value"],
        {name: number_from_json(number) for name, number in said["numbers"].items()},
        frozenset(said["is_worse"]),
        said["file_bytes"],
        None if said["reason"] is None else refusal_from_json(said["reason"]),
    )


SWEEP = Task("sweep", SweepPlan, lambda knobs: (knobs.split,), run, pack, unpack)
