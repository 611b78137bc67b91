"""How long a network really takes: every runtime at hand, original and compressed in turns, one thread."""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.behavior.mean_number import ALONE
from compress_core.measure.behavior.metric import NO_CLASSES_HERE
from compress_core.measure.speed.memory_layout import moved
from compress_core.measure.speed.own_process import Apart, in_this_process
from compress_core.measure.speed.repetitions import Repetitions, rounds_as_bytes, rounds_from_bytes
from compress_core.measure.speed.rounds import (
    Effort,
    Rounds,
    Watch,
    finished,
    in_turns,
    load_warning,
    one_thread,
    waiting_warning,
)
from compress_core.measure.speed.runtime import REFERENCE, Runnable, Runtime, Whose, runtime_named
from compress_core.numerics.intervals import wilson
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.judged_rows import judged_rows
from compress_core.subject.split import BATCH, Split

PROCESSES = 8
EFFORT = Effort(rounds_least=3, rounds_most=9, seconds=0.75)


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
    """What was measured: the rounds of every process at each batch size, and what disturbed them."""

    rounds: Mapping[int, Repetitions]
    warnings: tuple[str, ...]

    def bars(self) -> tuple[Bar, ...]:
        """Every network in every runtime at every batch size, in the order of the turns."""
        return tuple(
            _bar(rounds, name, batch) for batch, rounds in self.rounds.items() for name in rounds.names
        )

    def bar(self, runtime: str, whose: Whose, batch: int) -> Bar:
        """One of the bars, by the name of its runtime."""
        return _bar(self.rounds[batch], f"{runtime}:{whose}", batch)


def _bar(rounds: Repetitions, name: str, batch: int) -> Bar:
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


def _over(rounds: Repetitions, runtime: str, name: str) -> Number:
    rival = f"{runtime}:original"
    if rival not in rounds.names:
        return Number.missing("ratio", N_("The original was not measured in this runtime."))
    return rounds.ratio(rival, name)


def latency(
    runnables: Mapping[int, Sequence[Runnable]],
    inputs: Tensor,
    watch: Watch,
    *,
    networks: Sequence[nn.Module] = (),
    effort: Effort = EFFORT,
    processes: int = PROCESSES,
    seed: int = 0,
    apart: Apart = in_this_process,
) -> Generator[Progress, None, Latency]:
    """Measure networks in their runtimes on real items, in turns, in several processes one after the other.

    runnables: what is measured at each batch size; inputs [N, ...]: where a batch needs more items than there
    are, they are repeated. networks: what is put elsewhere in memory each time, only where `apart` means
    a process of its own. effort: of one process at one batch size. Raises Refused with no items.
    """
    if not len(inputs):
        raise Refused("There are no items to measure on: choose a split that has some.")
    warnings = load_warning(watch.load(), watch.cores)
    items = {batch: batch_of(inputs, batch) for batch in runnables}
    names = {batch: tuple(runnable.name for runnable in sides) for batch, sides in runnables.items()}
    measured: list[dict[int, Rounds]] = []
    with one_thread():
        for done in range(processes):
            note = Phrase("process {number} of {processes}", number=done + 1, processes=processes)
            yield Progress(done, processes, note)
            again = random.Random(f"{seed}:{done}")  # noqa: S311 - an order, no secret
            answer = apart(partial(_one_process, runnables, items, watch, networks, effort, again))
            measured.append(rounds_from_bytes(answer, names))
    repeated = {batch: Repetitions(tuple(rounds[batch] for rounds in measured)) for batch in runnables}
    everything = [rounds for repetitions in repeated.values() for rounds in repetitions.of]
    return Latency(repeated, warnings + waiting_warning(everything))


def _one_process(
    runnables: Mapping[int, Sequence[Runnable]],
    items: Mapping[int, Tensor],
    watch: Watch,
    networks: Sequence[nn.Module],
    effort: Effort,
    generator: random.Random,
) -> bytes:
    """The rounds at every batch size, once the networks lie elsewhere and were made ready there."""
    between = moved(networks, generator) if networks else []
    made = {runnable.name: runnable for sides in runnables.values() for runnable in sides}
    ready = {
        name: runnable.made_anew() for name, runnable in made.items() if not runnable.runtime.for_each_batch
    }
    found: dict[int, Rounds] = {}
    with one_thread():
        for batch, sides in runnables.items():
            runs = {r.name: partial(ready.get(r.name) or r.made_anew(), items[batch]) for r in sides}
            found[batch] = finished(in_turns(runs, watch, effort, generator))
    del between
    return rounds_as_bytes(found)


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


def parity_of(
    runnable: Runnable,
    evaluated: Tensor,
    split: Split,
    rows: int = BATCH,
    kind: AnswerKind = AnswerKind.SCORES,
) -> Parity:
    """A runtime against the evaluated outputs [N, ...] of the same network on a split's first N items.

    rows: how many go through at once; kind: how outputs are meant.
    """
    n = len(evaluated)
    outputs = torch.cat([runnable.run(items) for items in torch.split(split.inputs[:n], rows)])
    difference = _largest_difference(outputs, evaluated)
    if not kind.has_classes:
        missing = Number.missing("share", NO_CLASSES_HERE, n)
        return Parity(runnable.name, difference, missing, missing)
    labels = None if split.labels is None else split.labels[:n]
    got, wanted = judged_rows(outputs, labels, kind), judged_rows(evaluated, labels, kind)
    answers = got.answers.argmax(1)
    return Parity(
        runnable.name,
        difference,
        _share(answers == wanted.answers.argmax(1), kind),
        Number.missing("share", N_("The items have no labels."), n)
        if got.labels is None
        else _share(answers == got.labels, kind),
    )


def _largest_difference(outputs: Tensor, evaluated: Tensor) -> Number:
    largest = float((outputs - evaluated).abs().max())
    if not math.isfinite(largest):
        return Number.missing("logit", N_("Some outputs are not finite."), len(evaluated))
    return Number(largest, "logit", "measured", n=len(evaluated))


def _share(flags: Tensor, kind: AnswerKind) -> Number:
    successes, n = int(flags.sum()), len(flags)
    if kind.in_parts:
        return Number(successes / n, "share", "measured", n=n, no_interval=ALONE)
    low, high = wilson(successes, n)
    return Number(successes / n, "share", "measured", float(low), float(high), n)
