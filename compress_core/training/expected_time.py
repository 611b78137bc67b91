"""How long a training will take: small steps of its own are timed, and what they learned is thrown away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import TypeVar

import torch
from torch import nn

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.network.living_memory import living_memory
from compress_core.subject.split import Split
from compress_core.training.batch_values import BeforeEpoch
from compress_core.training.hook_calls import asks_for, noted
from compress_core.training.loop import objective_with, started, step, teacher_of
from compress_core.training.method import TEACHER_ANSWERS
from compress_core.training.objective import answers_of_all
from compress_core.training.plan import Plan
from compress_core.training.teacher import teaching
from compress_core.training.training_run import VALIDATION, TrainingRun

STEPS, FIRST_ITEMS, MOST_ITEMS = 4, 8, 128
MOST_BYTES = 2**26
"""Of all values of one pass of the items; what methods ask for beside takes some times as much."""
STEPS_S = 0.8
"""About so long steps are timed."""
_TINY_S = 1e-9
Value = TypeVar("Value")


@dataclass(frozen=True)
class StepTime:
    """Seconds that a step takes however few items it has, and those for each of them."""

    always: float
    each: float

    def of(self, items: int) -> float:
        """Seconds for a step of so many items."""
        return self.always + items * self.each


def expected_seconds(model: Model, plan: Plan, store: Store) -> Number:
    """Seconds that this machine will need for a training, as busy as it is now; raises Refused as it would.

    A few small steps, a look at the teacher and at validation items are timed, and what each epoch works out
    beforehand; however large the batches are, that takes about a second and little memory. Validation items
    stand in for those to train on, which are not read for that; nothing that was learned from them is kept.
    """
    import_module("torch._dynamo")  # the first optimizer of a process does, which is not what is timed
    run, count = _short_run(model, plan), model.subject.training_items.count
    (trainee, optimizer), begin = _timed(lambda: started(run, store))
    teacher, ask = _timed(lambda: teacher_of(run, trainee))
    notes, noting = _timed(lambda: noted(run.plan, trainee))
    known = BeforeEpoch(objective_with(run, teacher), teacher, notes)

    def take(items: int) -> float:
        """Seconds of a step of so many items."""
        index, moment = torch.arange(items), run.start_of(0)
        return _timed(lambda: step(run, trainee, optimizer, known, index, moment))[1]

    in_step, in_epoch = min(plan.knobs.batch_size, count), max(1, count // plan.knobs.batch_size)
    steps = in_epoch * step_time(take, min(in_step, len(run.items)), in_step).of(in_step)
    look = _each_look(run, trainee.network) * len(model.subject.split(VALIDATION))
    asked = _each_look(run, teaching(Model.original(model.subject))) if asks_for(TEACHER_ANSWERS, plan) else 0
    seconds = begin + ask + asked * count + plan.knobs.epochs * (steps + noting + look)
    return Number(seconds, "s", "estimated")


def step_time(take: Callable[[int], float], most: int, wanted: int) -> StepTime:
    """How long steps take, from some of at most `most` items that take about STEPS_S together.

    take: makes a step of so many items and gives its seconds; wanted: how many a step of the training has.
    Two small ones come first: one that nobody counts, as what is done once is done there, and one that says
    how large others may be.
    """
    first = min(FIRST_ITEMS, most)
    take(first)
    affordable = int(first * STEPS_S / (2 * STEPS * max(take(first), _TINY_S)))
    largest = max(first, min(most, affordable))
    half = 0 if largest >= wanted else largest // 2
    sizes = (half, 2 * half) if half > 1 else (largest,)
    taken: list[list[float]] = []
    while len(taken) < STEPS and sum(map(sum, taken)) < STEPS_S:
        taken.append([take(size) for size in sizes])
    seconds = [median(each) for each in zip(*taken, strict=True)]
    always = min(seconds[-1], max(0.0, 2 * seconds[0] - seconds[-1])) if len(sizes) > 1 else 0.0
    return StepTime(always, (seconds[-1] - always) / sizes[-1])


def _short_run(model: Model, plan: Plan) -> TrainingRun:
    """The training on so few items that all of them may go through together."""
    given = model.subject.split(VALIDATION)
    most = min(len(given), MOST_ITEMS, _rows(model, given))
    labels = None if given.labels is None else given.labels[:most]
    few = Split(given.name, given.inputs[:most], labels)
    knobs = plan.knobs.model_copy(update={"batch_size": min(plan.knobs.batch_size, most)})
    return TrainingRun(model, replace(plan, knobs=knobs), few, few)


def _rows(model: Model, given: Split) -> int:
    """Of how many items the values of a pass stay below MOST_BYTES; 2 at least, as norms of a batch need."""
    living = living_memory(model.network(), given.inputs[:1])
    return max(2, MOST_BYTES // max(1, living.made))


def _each_look(run: TrainingRun, network: nn.Module) -> float:
    """Seconds for a network's answer to an item, of several at once."""
    inputs = run.items.inputs
    return _timed(lambda: answers_of_all(network.eval(), inputs, run.objective, len(inputs)))[1] / len(inputs)


def _timed(work: Callable[[], Value]) -> tuple[Value, float]:
    began = perf_counter()
    return work(), perf_counter() - began
