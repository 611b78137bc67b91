"""The loop: batches, a loss, a step, and after each epoch a look at validation items. It knows no method."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from compress_core.apply.model import Model
from compress_core.apply.trained import TrainedWeights
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.numerics.drawing import draw_from
from compress_core.subject.judged_rows import JudgedRows
from compress_core.training.batch_values import BatchValues, BeforeEpoch
from compress_core.training.checkpoint import Checkpoint, EpochFigures
from compress_core.training.epoch_end import PassOver, judged
from compress_core.training.hook_calls import (
    after_step,
    asks_for,
    asks_for_maps,
    batch_loss,
    before_step,
    begun,
    listens,
    noted,
    parametrized,
)
from compress_core.training.knob_tasks import refuse_knobs_of_other_tasks
from compress_core.training.matched_features import matched_features
from compress_core.training.method import TEACHER_ANSWERS
from compress_core.training.moment import Moment, random_numbers
from compress_core.training.objective import TrainingObjective, unlabeled
from compress_core.training.optimizer import Optimizer
from compress_core.training.random_start import scattered
from compress_core.training.rewound import before_epoch, refuse_few_epochs
from compress_core.training.teacher import Teacher, refuse_other_items, teaching
from compress_core.training.trainee import Kept, Trainee, trainee_of
from compress_core.training.training_run import TrainingRun
from compress_core.training.unit_places import unit_places
from compress_core.training.vector_objective import no_labels

MOST_REPORTS = 200


@dataclass(frozen=True)
class StepsDone(Progress):
    """Progress within an epoch: loss is the mean of the steps since the last report, in its unit."""

    loss: float

    def said(self) -> Mapping[str, Any]:
        """Steps done of all, and their loss, as plain values."""
        return {"step": self.done, "steps": self.total, "loss": self.loss}


@dataclass(frozen=True)
class EpochDone(Progress):
    """Progress at the end of an epoch: its figures, and the training as it stands.

    checkpoint is None for an epoch of a training that was interrupted and goes on.
    """

    figures: EpochFigures
    checkpoint: Checkpoint | None

    def said(self) -> Mapping[str, Any]:
        """The figures as plain values."""
        return self.figures.as_json()


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training gives: weights, their epoch, the figures of all epochs, and why it ended early."""

    weights: TrainedWeights
    epoch: int
    history: tuple[EpochFigures, ...]
    ended: Phrase | None = None


def train(
    run: TrainingRun, store: Store, resumed: Checkpoint | None = None
) -> Generator[Progress, None, Trained]:
    """Train a model by a plan: the same model, plan, items and threads give the same weights.

    resumed: where an interrupted training of the same run stood. Raises Refused where the items have no
    labels, the network cannot be trained, or its loss is not finite before one epoch is done.
    """
    run.objective.refuse_no_choice(run.validation)
    trainee, optimizer = started(run, store)
    if resumed is not None:
        restore(trainee, optimizer, resumed)
        yield from (_done(run, resumed.epochs, figures, None) for figures in resumed.history)
    checkpoint, teacher = resumed, teacher_of(run, trainee)
    objective = objective_with(run, teacher)
    for epoch in range(0 if resumed is None else resumed.epochs, run.plan.knobs.epochs):
        before_epoch(run.plan, trainee, optimizer, run.start_of(epoch))
        began = trainee.masks()
        loss = yield from _epoch(run, trainee, optimizer, objective, teacher, epoch)
        if loss is None:
            return _ended_early(run, checkpoint, epoch)
        checkpoint = judged(run, trainee, optimizer, checkpoint, PassOver(epoch, loss, began), store)
        yield _done(run, epoch + 1, checkpoint.history[-1], checkpoint)
    assert checkpoint is not None, "a plan has an epoch at least"
    return Trained(checkpoint.best, checkpoint.best_epoch, checkpoint.history)


def started(run: TrainingRun, store: Store) -> tuple[Trainee, Optimizer]:
    """What learns, as it is before the first step, and what moves it; raises Refused as `train` does."""
    refuse_knobs_of_other_tasks(run.plan, run.model.subject.task)
    _refuse_unlabeled(run)
    refuse_few_epochs(run.plan)
    trainee = parametrized(trainee_of(run.model, partial(listens, run.plan)), run.plan)
    if run.plan.knobs.start == "scratch":
        scattered(trainee, random_numbers(run.plan.knobs.seed, "start"))
    if asks_for("units", run.plan):
        trainee.units = unit_places(run.model, trainee.parts, store)
    begun(trainee, run.plan, run.start_of(0))
    return trainee, Optimizer.of(trainee, run.plan.knobs.weight_decay)


def _done(run: TrainingRun, epochs: int, figures: EpochFigures, checkpoint: Checkpoint | None) -> EpochDone:
    note = Phrase("epoch {epoch}", epoch=figures.epoch)
    return EpochDone(epochs * run.steps_per_epoch, run.steps, note, figures, checkpoint)


def _refuse_unlabeled(run: TrainingRun) -> None:
    if not run.objective.learns_from_labels:
        if not asks_for(TEACHER_ANSWERS, run.plan):
            raise no_labels()
        return
    for split in (run.items, run.validation):
        if split.labels is None:
            raise unlabeled(split)


def teacher_of(run: TrainingRun, trainee: Trainee) -> Teacher:
    """What methods ask of the teacher; raises Refused where it cannot be told."""
    explainer, answers = asks_for_maps(run.plan), asks_for(TEACHER_ANSWERS, run.plan)
    model = Model.original(run.model.subject) if run.teacher is None else run.teacher
    if run.teacher is not None and not answers and explainer is None:
        raise Refused(
            "No method of this training asks a teacher, but {teacher} was named: add distill, or leave the "
            "teacher out.",
            teacher=model.subject.title,
        )
    refuse_other_items(model, run.model)
    if run.teacher is not None and not run.objective.learns_from_labels:
        raise _another_teacher(run.teacher)
    teacher = Teacher.of(model, run.items, answers=answers, explains=explainer is not None)
    names = next((s.hooks.features for s in run.plan.steps if s.hooks.features is not None), None)
    if names is not None:
        matched = matched_features(names, trainee, model, teaching(model), run.items.inputs)
        teacher = replace(teacher, features=matched)
    if explainer is not None:
        learner = partial(trainee.evaluated, trainee.weights())
        teacher.refuse_no_maps(learner, run.items, objective_with(run, teacher), explainer)
    return teacher


def objective_with(run: TrainingRun, teacher: Teacher) -> TrainingObjective:
    """What is learned from, with what the items to train on and the teacher tell."""
    return run.objective.of_items(run.items, teacher.answers)


def _another_teacher(teacher: Model) -> Refused:
    return Refused(
        "A network that answers with vectors is compared with itself as loaded, and learns from that alone: "
        "leave the teacher {teacher} out.",
        teacher=teacher.subject.title,
    )


def _epoch(
    run: TrainingRun,
    trainee: Trainee,
    optimizer: Optimizer,
    objective: TrainingObjective,
    teacher: Teacher,
    epoch: int,
) -> Generator[Progress, None, float | None]:
    """One pass over the items; gives the mean loss, None where it stopped being finite."""
    losses: list[float] = []
    told, report = 0, max(1, run.steps // MOST_REPORTS)
    known = BeforeEpoch(objective, teacher, noted(run.plan, trainee))
    for index, moment in batches(run, epoch):
        loss = step(run, trainee, optimizer, known, index, moment)
        if not math.isfinite(loss):
            return None
        losses.append(loss)
        if moment.step % report == 0:
            note = Phrase("epoch {epoch}", epoch=epoch + 1)
            yield StepsDone(moment.step + 1, run.steps, note, mean(losses[told:]))
            told = len(losses)
    return sum(losses) / run.steps_per_epoch


def batches(run: TrainingRun, epoch: int) -> Iterator[tuple[Tensor, Moment]]:
    """Which items [n] each step of an epoch has, in an order that the seed decides."""
    order = torch.randperm(len(run.items), generator=random_numbers(run.plan.knobs.seed, "order", epoch))
    size = run.plan.knobs.batch_size
    for at in range(run.steps_per_epoch):
        moment = Moment(epoch * run.steps_per_epoch + at, run.steps, run.steps_per_epoch)
        yield order[at * size : (at + 1) * size], moment


def step(
    run: TrainingRun,
    trainee: Trainee,
    optimizer: Optimizer,
    known: BeforeEpoch,
    index: Tensor,
    moment: Moment,
) -> float:
    """One step on items [n]; gives their loss. Nothing is changed where it is not finite."""
    knobs = run.plan.knobs
    rate = run.learning_rate(moment)
    with torch.inference_mode(mode=False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        draw_from(random_numbers(knobs.seed, "step", moment.step).initial_seed())  # for dropout
        trainee.network.train()
        weights = trainee.weights()
        for weight in weights.values():
            if weight.requires_grad:
                weight.retain_grad()
        inputs, objective = run.items.inputs[index], known.objective
        labels = None if run.items.labels is None else run.items.labels[index]
        found = objective.rows(objective.answers(trainee.outputs(weights, inputs)), labels)
        maps = known.teacher.maps(partial(trainee.evaluated, weights), inputs, objective)
        features = () if known.teacher.features is None else known.teacher.features.of(inputs)
        heard = trainee.heard.inputs
        batch = BatchValues(
            inputs,
            _known(found) if objective.learns_from_labels else None,
            found.answers,
            lambda table: objective.rows(table, labels).answers,
            index,
            known,
            moment,
            heard,
            maps,
            features,
        )
        loss = batch_loss(run.plan, batch, weights, trainee)
        value = loss.item()
        if math.isfinite(value):
            optimizer.clear()
            torch.autograd.backward(loss)
            before_step(run.plan, trainee, optimizer, weights, moment)
            optimizer.step(rate)
            after_step(run.plan, trainee, moment, rate)
    return value


def _known(found: JudgedRows) -> Tensor:
    """The right answers of all decisions; raises Refused where some are not told."""
    if found.labels is None:
        raise Refused(
            "Some of the training labels are unknown, and nothing is learned without them: mark what is not "
            "judged with -100, and give all others."
        )
    return found.labels


def _ended_early(run: TrainingRun, checkpoint: Checkpoint | None, epoch: int) -> Trained:
    reason = Phrase(
        "The loss was not finite in epoch {epoch}: the learning rate {rate:g} is too large for this network.",
        epoch=epoch + 1,
        rate=run.plan.knobs.learning_rate,
    )
    if checkpoint is None:
        raise Refused("{reason} Nothing was learned; take a smaller one.", reason=reason)
    return Trained(checkpoint.best, checkpoint.best_epoch, checkpoint.history, reason)


def restore(trainee: Trainee, optimizer: Optimizer, checkpoint: Checkpoint) -> None:
    """Put a training back to where it stood."""
    with torch.no_grad():
        for name, mask in checkpoint.masks.items():
            trainee.parametrizations[name] = trainee.parametrizations[name].with_mask(mask)
        trainee.take(Kept(checkpoint.learned, checkpoint.state))
    trainee.early = checkpoint.early
    optimizer.restore(checkpoint.optimizer)
