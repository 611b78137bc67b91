"""Whether intervals of times cover another run: a model against itself, and one comparison five times."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from torch import nn

from benchmarks.networks import FULL, Size
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.measure.speed.latency import EFFORT, PROCESSES, latency
from compress_core.measure.speed.own_process import can_split, in_own_process, in_this_process
from compress_core.measure.speed.rounds import Effort, this_machine
from compress_core.measure.speed.runtime import REFERENCE, TimedModel, runtime_named
from compress_core.recipe.reading import parse_recipe

MODEL, BATCH = "lenet5", 1
ITSELF, AGAIN = 20, 5
_HURRY = Effort(2, 2, 0.0, 0.0)


def lines(size: Size) -> Iterator[str]:
    """A line for each measurement, and how many intervals hold 1.0, or what all of them together found."""
    itself, again = (ITSELF, AGAIN) if size == FULL else (2, 1)
    yield f"| {MODEL}, batch {BATCH} | times faster | interval | holds |"
    yield "| --- | --- | --- | --- |"
    store, original = Store(), Model.original(load_sample(MODEL))
    found = []
    for number in range(itself):
        found.append(_measured(original, original.subject.network, number, store, size))
        yield _line(f"itself, {number + 1}", found[-1], 1.0)
    held = sum(_holds(one, 1.0) for one in found)
    yield f"| itself: {held} of {itself} hold 1.0 | | | |"
    step = {"technique": "magnitude", "share_removed": 0.5}
    model = compress(original.subject, parse_recipe({"groups": [{"match": "*", "steps": [step]}]}), store)
    ratios = [_measured(model, model.network(), number, store, size) for number in range(again)]
    together = sum(one.value or 0.0 for one in ratios) / again
    for number, one in enumerate(ratios):
        yield _line(f"half of the channels, {number + 1}", one, together)
    yield f"| half of the channels: mean of all {together:.3f} | | | |"


def _measured(model: Model, network: nn.Module, seed: int, store: Store, size: Size) -> Number:
    """The original over the network at a batch of one, in torch, as Deploy measures it."""
    original = Model.original(model.subject)
    sides = [
        TimedModel("original", original, copy.deepcopy(original.subject.network), store),
        TimedModel("compressed", model, copy.deepcopy(network), store),
    ]
    work = latency(
        {BATCH: [runtime_named(REFERENCE).ready(side) for side in sides]},
        model.subject.split("validation").inputs,
        this_machine(),
        networks=[side.network for side in sides] if can_split() else (),
        effort=EFFORT if size == FULL else _HURRY,
        processes=PROCESSES if size == FULL else 2,
        seed=seed,
        apart=in_own_process if can_split() else in_this_process,
    )
    return result_of(work).bar(REFERENCE, "compressed", BATCH).ratio


def _holds(ratio: Number, true: float) -> bool:
    return ratio.low is not None and ratio.high is not None and ratio.low <= true <= ratio.high


def _line(name: str, ratio: Number, true: float) -> str:
    interval = f"{ratio.low:.3f} to {ratio.high:.3f}"
    return f"| {name} | {ratio.value:.3f} | {interval} | {'yes' if _holds(ratio, true) else 'NO'} |"
