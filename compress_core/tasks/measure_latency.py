"""Measure how long the original and a model take, in every runtime at hand, at several batch sizes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
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
from compress_core.measure.speed.kernel_variants import (
    KernelVariantTable,
    choose_kernel_variants,
    with_kernel_variants,
)
from compress_core.measure.speed.latency import Latency, Parity, batch_of, latency, parity_of
from compress_core.measure.speed.reasons import facts_of, reason
from compress_core.measure.speed.rounds import (
    Effort,
    Rounds,
    Watch,
    load_warning,
    this_machine,
    waiting_warning,
)
from compress_core.measure.speed.runtimes.eager import torch_bf16, torch_eager, torch_variants
from compress_core.measure.speed.runtimes.runnable import Runnable, Runtime
from compress_core.subject.split import BATCH, Split
from compress_core.tasks.latency_result import Measured, pack, unpack
from compress_core.tasks.onnx_sides import onnx_sides

_PARTS = 100  # of the progress of one half of a batch size: variants, then rounds
_LEAST = 7  # rounds, unless fewer are asked for
_AGREE_ON = 1000  # items at most on which a runtime's answers are compared
Result = TypeVar("Result")


class LatencyKnobs(Strict):
    """On which items, at which batch sizes, for how long.

    variants: whether layers are tried in other variants; onnx: whether ONNX Runtime is measured too.
    """

    split: str = "validation"
    batches: tuple[int, ...] = Field(default=(1, 32), min_length=1, max_length=4)
    rounds: int = Field(default=25, ge=5, le=200)
    seconds: float = Field(default=4.0, ge=0, le=120)
    variants: bool = True
    onnx: bool = True


def run(
    model: Model, knobs: LatencyKnobs, _seed: int, store: Store, watch: Watch | None = None
) -> Generator[Progress, None, Measured]:
    """Measure; raises Refused where there are no items or the batch sizes make no sense."""
    _check(knobs.batches)
    watch = watch or this_machine()
    split = model.subject.split(knobs.split)
    effort = Effort(min(_LEAST, knobs.rounds), knobs.rounds, knobs.seconds)
    busy = load_warning(watch.load(), watch.cores)
    network = model.network()
    rounds: dict[int, Rounds] = {}
    tables: list[KernelVariantTable] = []
    total = 2 * _PARTS * len(knobs.batches)
    yield Progress(0, total, N_("preparing the runtimes"))
    whole, refused = _runnables(model, network, split.inputs[:1], store if knobs.onnx else None)
    for place, batch in enumerate(knobs.batches):
        start, sides = 2 * _PARTS * place, list(whole)
        if knobs.variants and model.is_changed:
            items = batch_of(split.inputs, batch)
            table = yield from _as_part(choose_kernel_variants(network, items, watch), start, total)
            tables.append(table)
            sides.insert(2, torch_variants(with_kernel_variants(network, table.choice), "compressed"))
        work = latency(sides, split.inputs, watch, batches=(batch,), effort=effort)
        rounds |= (yield from _as_part(work, start + _PARTS, total)).rounds
    found = Latency(rounds, busy + waiting_warning(tuple(rounds.values())))
    parities = _parities(whole, network, split)
    return Measured(found, _reasons(found, model, tables), tuple(tables), parities, refused)


def _check(batches: Sequence[int]) -> None:
    if len(set(batches)) < len(batches) or not all(1 <= batch <= 4096 for batch in batches):
        raise Refused(
            "Batch sizes must be different numbers from 1 to 4096, but got {got}: correct them.",
            got=", ".join(map(str, batches)),
        )


def _runnables(
    model: Model, network: nn.Module, item: Tensor, store: Store | None
) -> tuple[list[Runnable], tuple[tuple[Runtime, Refused], ...]]:
    """The runtimes that take the model, and why others do not; without a store no files are written."""
    sides = [torch_eager(model.subject.network, "original")]
    if model.is_changed:
        sides.append(torch_eager(network, "compressed"))
    half = torch_bf16(network, sides[-1].whose)
    others = [half, *(() if store is None else onnx_sides(model, store))]
    refused: list[tuple[Runtime, Refused]] = []
    for other in others:
        if not isinstance(other, Runnable):
            refused.append(other)
        elif (problem := _problem(other, item)) is not None:
            refused.append((other.runtime, problem))
        else:
            sides.append(other)
    return sides, tuple(refused)


def _problem(runnable: Runnable, item: Tensor) -> Refused | None:
    """Why a network does not run in a runtime, from trying it."""
    try:
        runnable.run(item)
    except Exception as error:  # noqa: BLE001 - a forward that is not ours may raise anything
        return Refused("It does not run there ({reason}).", reason=str(error).strip().split("\n")[0][:200])
    return None


def _as_part(
    work: Generator[Progress, None, Result], start: int, total: int
) -> Generator[Progress, None, Result]:
    """One of several pieces of work, its progress as parts of the whole."""
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield Progress(start + round(_PARTS * step.share), total, step.note)


def _parities(sides: Sequence[Runnable], network: nn.Module, split: Split) -> tuple[Parity, ...]:
    """How far the runtimes that compute other numbers are from what was evaluated."""
    changed = any(side.whose == "compressed" for side in sides)
    shown = "compressed" if changed else "original"
    others = [s for s in sides if s.whose == shown and s.runtime is not Runtime.TORCH]
    with torch.inference_mode():
        batches = torch.split(split.inputs[:_AGREE_ON], BATCH)
        evaluated = torch.cat([network(items) for items in batches])
    return tuple(parity_of(side, evaluated, split) for side in others)


def _reasons(found: Latency, model: Model, tables: Sequence[KernelVariantTable]) -> tuple[str, ...]:
    variants = {table.batch: len(table.choice) for table in tables}
    facts = {batch: facts_of(model, variants.get(batch, 0)) for batch in found.rounds}
    return tuple(reason(bar, facts[bar.batch]) for bar in found.bars())


LATENCY = Task("latency", LatencyKnobs, lambda knobs: knobs.split, run, pack, unpack)
