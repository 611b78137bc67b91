"""How long a training will take: some of its own steps are timed, and what they learned is thrown away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice
from statistics import median
from time import perf_counter
from typing import TypeVar

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.subject.split import Split
from compress_core.training.answer_scores import scores_of_all
from compress_core.training.batch_values import BeforeEpoch
from compress_core.training.hook_calls import noted
from compress_core.training.loop import batches, started, step, teacher_of
from compress_core.training.plan import Plan
from compress_core.training.training_run import VALIDATION, TrainingRun

STEPS, MOST_ITEMS = 4, 512
Value = TypeVar("Value")


def expected_seconds(model: Model, plan: Plan, store: Store) -> Number:
    """Seconds that this machine will need for a training, as busy as it is now; raises Refused as it would.

    A few steps, a look at the teacher and at validation items are timed, and what each epoch works out
    beforehand. Validation items stand in for those to train on, which are not read for that; nothing that
    was learned from them is kept.
    """
    run, count = _short_run(model, plan), model.subject.training_items.count
    (trainee, optimizer), begin = _timed(lambda: started(run, store))
    teacher, asked = _timed(lambda: teacher_of(run, trainee))
    notes, noting = _timed(lambda: noted(run.plan, trainee))
    known = BeforeEpoch(teacher, notes)
    steps = [
        _timed(partial(step, run, trainee, optimizer, known, index, moment))[1]
        for index, moment in islice(batches(run, 0), STEPS)
    ]
    looked = run.items.inputs
    _scores, look = _timed(
        lambda: scores_of_all(trainee.network.eval(), looked, model.subject.answers, len(looked))
    )
    in_step, in_epoch = min(plan.knobs.batch_size, count), max(1, count // plan.knobs.batch_size)
    one_step = median(steps) * in_step / run.plan.knobs.batch_size
    all_looked = look * len(model.subject.split(VALIDATION)) / len(looked)
    once = begin + asked * count / len(looked)
    return Number(once + plan.knobs.epochs * (in_epoch * one_step + noting + all_looked), "s", "estimated")


def _short_run(model: Model, plan: Plan) -> TrainingRun:
    """The training on so few items that it has a handful of steps."""
    given = model.subject.split(VALIDATION)
    most = min(len(given), max(MOST_ITEMS, STEPS * plan.knobs.batch_size))
    labels = None if given.labels is None else given.labels[:most]
    few = Split(given.name, given.inputs[:most], labels)
    size = min(plan.knobs.batch_size, max(1, most // 2))
    knobs = plan.knobs.model_copy(update={"batch_size": size})
    return TrainingRun(model, replace(plan, knobs=knobs), few, few)


def _timed(work: Callable[[], Value]) -> tuple[Value, float]:
    began = perf_counter()
    return work(), perf_counter() - began
