"""How long a network really takes: every runtime at hand, original and compressed in turns, one thread."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.speed.rounds import (
    Effort,
    Rounds,
    Watch,
    in_turns,
    load_warning,
    one_thread,
    waiting_warning,
)
from compress_core.measure.speed.runtime import REFERENCE, Runnable, Runtime, Whose, runtime_named
from compress_core.numerics.intervals import wilson
from compress_core.subject.split import BATCH, Split

BATCHES = (1, 32)
EFFORT = Effort()


@dataclass(frozen=True)
class Bar:
    """One bar: a network in a runtime at a batch size.

    milliseconds for one batch; ratio: how many times faster than the original in the same family of
    runtimes; ratio_to_torch: than the original in torch.
    """

    runtime: Runtime
    whose: Whose
    batch: int
    milliseconds: Number
    ratio: Number
    ratio_to_torch: Number


@dataclass(frozen=True, eq=False)
class Latency:
    """What was measured: the rounds at each batch size, and what disturbed them."""

    rounds: Mapping[int, Rounds]
    warnings: tuple[str, ...]

    def bars(self) -> tuple[Bar, ...]:
        """Every network in every runtime at every batch size, in the order of the turns."""
        return tuple(
            _bar(rounds, name, batch) for batch, rounds in self.rounds.items() for name in rounds.names
        )

    def bar(self, runtime: str, whose: Whose, batch: int) -> Bar:
        """One of the bars, by the name of its runtime."""
        return _bar(self.rounds[batch], f"{runtime}:{whose}", batch)


def _bar(rounds: Rounds, name: str, batch: int) -> Bar:
    runtime, _, whose = name.partition(":")
    chosen = runtime_named(runtime)
    return Bar(
        chosen,
        "original" if whose == "original" else "compressed",
        batch,
        rounds.milliseconds(name),
        _over(rounds, chosen.base, name),
        _over(rounds, REFERENCE, name),
    )


def _over(rounds: Rounds, runtime: str, name: str) -> Number:
    rival = f"{runtime}:original"
    if rival not in rounds.names:
        return Number.missing("ratio", N_("The original was not measured in this runtime."))
    return rounds.ratio(rival, name)


def latency(
    runnables: Sequence[Runnable],
    inputs: Tensor,
    watch: Watch,
    *,
    batches: Sequence[int] = BATCHES,
    effort: Effort = EFFORT,
) -> Generator[Progress, None, Latency]:
    """Measure networks in their runtimes on real items, in turns; raises Refused without items.

    inputs [N, ...]; where a batch needs more items than there are, they are repeated.
    """
    if not len(inputs):
        raise Refused("There are no items to measure on: choose a split that has some.")
    warnings = load_warning(watch.load(), watch.cores)
    total = len(batches) * effort.rounds_most
    measured: dict[int, Rounds] = {}
    with one_thread():
        for place, batch in enumerate(batches):
            items = batch_of(inputs, batch)
            note = Phrase("batch of {batch}", batch=batch)
            work = in_turns({r.name: partial(r.run, items) for r in runnables}, watch, effort)
            measured[batch] = yield from _watched(work, place * effort.rounds_most, total, note)
    return Latency(measured, warnings + waiting_warning(tuple(measured.values())))


def _watched(
    work: Generator[int, None, Rounds], before: int, total: int, note: str
) -> Generator[Progress, None, Rounds]:
    """The same work, telling how far it is of all there is."""
    yield Progress(before, total, note)
    while True:
        try:
            done = next(work)
        except StopIteration as end:
            rounds: Rounds = end.value
            return rounds
        yield Progress(before + done, total, note)


def batch_of(inputs: Tensor, size: int) -> Tensor:
    """The first items of inputs [N, ...], repeated where there are fewer."""
    times = -(-size // len(inputs))
    return torch.cat([inputs] * times)[:size].contiguous()


@dataclass(frozen=True)
class Parity:
    """Whether a runtime gives the numbers that were evaluated.

    difference: the largest of any output; same_class: share of items with the same most probable class;
    accuracy: in the runtime itself, missing without labels.
    """

    name: str
    difference: Number
    same_class: Number
    accuracy: Number


def parity_of(runnable: Runnable, evaluated: Tensor, split: Split) -> Parity:
    """A runtime against the evaluated outputs [N, classes] of the same network on a split's first N items."""
    n = len(evaluated)
    outputs = torch.cat([runnable.run(items) for items in torch.split(split.inputs[:n], BATCH)])
    answers = outputs.argmax(1)
    return Parity(
        runnable.name,
        _largest_difference(outputs, evaluated),
        _share(int((answers == evaluated.argmax(1)).sum()), n),
        Number.missing("share", N_("The items have no labels."), n)
        if split.labels is None
        else _share(int((answers == split.labels[:n]).sum()), n),
    )


def _largest_difference(outputs: Tensor, evaluated: Tensor) -> Number:
    largest = float((outputs - evaluated).abs().max())
    if not math.isfinite(largest):
        return Number.missing("logit", N_("Some outputs are not finite."), len(evaluated))
    return Number(largest, "logit", "measured", n=len(evaluated))


def _share(successes: int, n: int) -> Number:
    low, high = wilson(successes, n)
    return Number(successes / n, "share", "measured", float(low), float(high), n)
