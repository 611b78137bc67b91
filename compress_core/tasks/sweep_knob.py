"""Turn one knob over all layers and see what breaks first."""

from __future__ import annotations

from collections.abc import Generator

from compress_core.apply.model import Model
from compress_core.decide.sweep import sweep
from compress_core.decide.swept import Sweep, SweepPlan, sweep_as_json, sweep_from_json
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.jobs.task import ResultFiles, Task


def run(model: Model, knobs: SweepPlan, seed: int, store: Store) -> Generator[Progress, None, Sweep]:
    """Sweep; raises Refused where no layer can be treated, or a method cannot explain the model."""
    return (yield from sweep(model, knobs, seed, store))


def pack(found: Sweep) -> ResultFiles:
    """All of it as plain values: there are few numbers."""
    return ResultFiles({}, sweep_as_json(found))


def unpack(packed: ResultFiles) -> Sweep:
    """The reverse of `pack`."""
    return sweep_from_json(packed.facts)


SWEEP = Task("sweep", SweepPlan, lambda knobs: (knobs.split,), run, pack, unpack, tells_names=True)
