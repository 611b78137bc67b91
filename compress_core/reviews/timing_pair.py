"""Milliseconds of the original and of the compressed model in torch, measured in turns."""

from __future__ import annotations

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.measure.speed.latency import latency
from compress_core.measure.speed.own_process import can_split, in_own_process, in_this_process
from compress_core.measure.speed.rounds import this_machine
from compress_core.measure.speed.runtime import REFERENCE, TimedModel, runtimes
from compress_core.subject.split import Split


def timed_pair(model: Model, split: Split, batch: int, seed: int, store: Store) -> tuple[Number, Number]:
    """How long a batch of items takes in both, on one thread, over several processes one after the other."""
    runtime, network = runtimes()[REFERENCE], model.network()
    sides = (
        TimedModel("original", Model.original(model.subject), model.subject.network, store),
        TimedModel("compressed", model, network, store),
    )
    apart = in_own_process if can_split() else in_this_process
    try:
        work = latency(
            {batch: [runtime.ready(side) for side in sides]},
            split.inputs,
            this_machine(),
            networks=[side.network for side in sides] if apart is in_own_process else (),
            seed=seed,
            apart=apart,
        )
        found = result_of(work)
    except Refused as refused:
        missing = Number.missing("ms", str(refused))
        return missing, missing
    before, after = (found.bar(REFERENCE, side.whose, batch).milliseconds for side in sides)
    return before, after
