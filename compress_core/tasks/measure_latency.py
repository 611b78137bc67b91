"""Measure how long the original and a model take, in every runtime at hand, at several batch sizes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.jobs.task import Task
from compress_core.measure.speed.facts import facts_of
from compress_core.measure.speed.kernel_variants import KernelVariantTable
from compress_core.measure.speed.latency import (
    EFFORT,
    PROCESSES,
    Latency,
    Parity,
    batch_of,
    latency,
    parity_of,
)
from compress_core.measure.speed.own_process import Apart, can_split, in_own_process, in_this_process
from compress_core.measure.speed.reasons import reason
from compress_core.measure.speed.rounds import Watch, this_machine
from compress_core.measure.speed.runtime import REFERENCE, Runnable, Runtime, TimedModel, runtimes
from compress_core.network.living_memory import refuse_unless_together, rows_at_once
from compress_core.network.shared_copy import shared_copy
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.split import BATCH, Split
from compress_core.tasks.latency_result import Measured, pack, unpack

_PARTS = 100  # of the progress of the variants at one batch size
_LONGER = 3  # times as many for the rounds
_AGREE_ON = 1000  # items at most on which a runtime's answers are compared
Result = TypeVar("Result")


class LatencyKnobs(Strict):
    """On which items, at which batch sizes, in how many processes one after the other, for how long.

    rounds: at most, in one process at one batch size; seconds: for one batch size, in all processes together.
    variants: whether layers are tried in other variants; onnx: whether ONNX Runtime is measured too.
    """

    split: str = "validation"
    batches: tuple[int, ...] = Field(default=(1, 32), min_length=1, max_length=4)
    processes: int = Field(default=PROCESSES, ge=3, le=50)
    rounds: int = Field(default=EFFORT.rounds_most, ge=3, le=200)
    seconds: float = Field(default=PROCESSES * EFFORT.seconds, ge=0, le=120)
    variants: bool = True
    onnx: bool = True


def run(
    model: Model,
    knobs: LatencyKnobs,
    seed: int,
    store: Store,
    watch: Watch | None = None,
    apart: Apart | None = None,
) -> Generator[Progress, None, Measured]:
    """Measure; raises Refused where there are no items or the batch sizes make no sense."""
    _check(knobs.batches)
    watch, apart = watch or this_machine(), apart or (in_own_process if can_split() else in_this_process)
    split, network = model.subject.split(knobs.split), model.network()
    before = watch.load()  # later it is our own
    watch = replace(watch, load=lambda: before)
    refuse_unless_together(shared_copy(model.subject.network), split.inputs, max(knobs.batches))
    total = _PARTS * (len(knobs.batches) + _LONGER)
    yield Progress(0, total, N_("preparing the runtimes"))
    chosen = [r for r in runtimes().values() if knobs.onnx or not r.writes_file]
    sides = _sides(model, network, store)
    whole, refused = _ready(chosen, sides, split.inputs[:1])
    tunable = [r for r in chosen if r.for_each_batch and knobs.variants]
    runnables: dict[int, list[Runnable]] = {}
    tables: list[KernelVariantTable] = []
    for place, batch in enumerate(knobs.batches):
        tuning = _tuned(tunable, sides, batch_of(split.inputs, batch), watch)
        tuned, found_tables = yield from _as_part(tuning, _PARTS * place, total)
        tables += found_tables
        runnables[batch] = sorted([*whole, *tuned], key=lambda runnable: runnable.runtime.order)
    work = latency(
        runnables,
        split.inputs,
        watch,
        networks=[side.network for side in sides] if apart is in_own_process else (),
        effort=replace(EFFORT, rounds_most=knobs.rounds, seconds=knobs.seconds / knobs.processes),
        processes=knobs.processes,
        seed=seed,
        apart=apart,
    )
    measured = yield from _as_part(work, _PARTS * len(knobs.batches), total, _LONGER)
    found = replace(measured, warnings=(*measured.warnings, *_one_process(apart)))
    parities = _parities(whole, network, split, model.subject.answers)
    return Measured(found, _reasons(found, model, tables, store), tuple(tables), parities, refused)


def _one_process(apart: Apart) -> tuple[str, ...]:
    """That there was no other process, where this system starts none."""
    if apart is in_own_process:
        return ()
    return (
        N_(
            "This system measures in one process only: intervals do not cover that weights lie elsewhere in "
            "memory the next time."
        ),
    )


def _check(batches: Sequence[int]) -> None:
    if len(set(batches)) < len(batches) or not all(1 <= batch <= 4096 for batch in batches):
        raise Refused(
            "Batch sizes must be different numbers from 1 to 4096, but got {got}: correct them.",
            got=", ".join(map(str, batches)),
        )


def _sides(model: Model, network: nn.Module, store: Store) -> tuple[TimedModel, ...]:
    """The original, and the compressed model where there is one."""
    original = TimedModel("original", Model.original(model.subject), model.subject.network, store)
    return (original, TimedModel("compressed", model, network, store)) if model.is_changed else (original,)


def _ready(
    chosen: Sequence[Runtime], sides: Sequence[TimedModel], item: Tensor
) -> tuple[list[Runnable], tuple[tuple[Runtime, Refused], ...]]:
    """The networks in the runtimes that take them whatever the batch size, and why others do not."""
    ready: list[Runnable] = []
    refused: list[tuple[Runtime, Refused]] = []
    for runtime in (runtime for runtime in chosen if not runtime.for_each_batch):
        for side in runtime.takes(sides):
            try:
                runnable = runtime.ready(side)
                _try(runnable, item)
                ready.append(runnable)
            except Refused as why:
                if runtime.name == REFERENCE:
                    raise
                if runtime not in [other for other, _why in refused]:
                    refused.append((runtime, why))
    return ready, tuple(refused)


def _try(runnable: Runnable, item: Tensor) -> None:
    """Run one item; raises Refused with what stands in the way."""
    try:
        runnable.run(item)
    except Exception as error:  # a forward that is not ours may raise anything
        reason = str(error).strip().split("\n")[0][:200]
        raise Refused("It does not run there ({reason}).", reason=reason) from error


def _tuned(
    chosen: Sequence[Runtime], sides: Sequence[TimedModel], items: Tensor, watch: Watch
) -> Generator[Progress, None, tuple[list[Runnable], list[KernelVariantTable]]]:
    """The networks in the runtimes that choose anew for batches like items [N, ...], and their choices."""
    pairs = [(runtime, side) for runtime in chosen for side in runtime.takes(sides)]
    runnables: list[Runnable] = []
    tables: list[KernelVariantTable] = []
    for done, (runtime, side) in enumerate(pairs):
        tuning = _as_part(runtime.tuned(side, items, watch), _PARTS * done, _PARTS * len(pairs))
        runnable, table = yield from tuning
        runnables.append(runnable)
        tables += [] if table is None else [table]
    return runnables, tables


def _as_part(
    work: Generator[Progress, None, Result], start: int, total: int, longer: int = 1
) -> Generator[Progress, None, Result]:
    """One of several pieces of work, its progress as parts of the whole."""
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield Progress(start + round(longer * _PARTS * step.share), total, step.note)


def _parities(
    sides: Sequence[Runnable], network: nn.Module, split: Split, kind: AnswerKind
) -> tuple[Parity, ...]:
    """How far the runtimes that compute other numbers are from what was evaluated."""
    changed = any(side.whose == "compressed" for side in sides)
    shown = "compressed" if changed else "original"
    others = [s for s in sides if s.whose == shown and s.runtime.name != REFERENCE]
    rows = rows_at_once(shared_copy(network), split.inputs, BATCH)
    with torch.inference_mode():
        batches = torch.split(split.inputs[:_AGREE_ON], rows)
        evaluated = torch.cat([network(items) for items in batches])
    return tuple(parity_of(side, evaluated, split, rows, kind) for side in others)


def _reasons(
    found: Latency, model: Model, tables: Sequence[KernelVariantTable], store: Store
) -> tuple[str, ...]:
    variants = {table.batch: len(table.choice) for table in tables}
    facts = {batch: facts_of(model, store, variants.get(batch, 0)) for batch in found.rounds}
    return tuple(reason(bar, facts[bar.batch]) for bar in found.bars())


LATENCY = Task("latency", LatencyKnobs, lambda knobs: (knobs.split,), run, pack, unpack)
