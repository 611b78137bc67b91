"""All that decides a training, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from compress_core.apply.lineage import Train
from compress_core.apply.model import Model
from compress_core.foundation.cached import cached_property
from compress_core.foundation.store import digest
from compress_core.subject.split import Split
from compress_core.subject.training_items import TRAINING
from compress_core.training.moment import Moment, cosine_schedule
from compress_core.training.objective import TrainingObjective
from compress_core.training.objective_of_kind import objective_of
from compress_core.training.plan import Plan

VALIDATION = "validation"


def operation_of(model: Model, plan: Plan, epochs: int, teacher: Model | None = None) -> Train:
    """What training a model by a plan is, as its history says it; no item is read for that.

    epochs: how many were done; teacher: whom it learned from, None for the model as loaded. Raises Refused
    where the model has no items for it.
    """
    seen = (model.subject.digest_of(TRAINING), model.subject.digest_of(VALIDATION))
    return Train(plan.text, digest(*seen), epochs, _named(teacher, model))


def _named(teacher: Model | None, student: Model) -> str:
    """The key of a teacher, empty for the student's own model as loaded."""
    loaded = Model.original(student.subject).key
    return "" if teacher is None or teacher.key == loaded else teacher.key


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """All that decides a training: a model, how it is trained, on what, and on what its epochs are judged.

    teacher: whom it learns from where a method asks, None for the model as loaded.
    """

    model: Model
    plan: Plan
    items: Split
    validation: Split
    teacher: Model | None = None

    @cached_property
    def objective(self) -> TrainingObjective:
        """What the model learns from, by the kind of its answers."""
        return objective_of(self.model.subject.answers)

    @property
    def operation(self) -> Train:
        """What is done to the model, as its history says it."""
        return self.after(self.plan.knobs.epochs)

    def after(self, epochs: int) -> Train:
        """The same for a training that was ended after so many epochs."""
        seen = digest(self.items.digest, self.validation.digest)
        return Train(self.plan.text, seen, epochs, _named(self.teacher, self.model))

    @property
    def steps_per_epoch(self) -> int:
        """An odd rest of the items is left out of an epoch, unless it is all there is."""
        return max(1, len(self.items) // self.plan.knobs.batch_size)

    @property
    def steps(self) -> int:
        return self.plan.knobs.epochs * self.steps_per_epoch

    def start_of(self, epoch: int) -> Moment:
        """The first step of an epoch, counted from 0."""
        return Moment(epoch * self.steps_per_epoch, self.steps, self.steps_per_epoch)

    def learning_rate(self, moment: Moment) -> float:
        """How far a step goes at this moment of its round."""
        knobs = self.plan.knobs
        return knobs.learning_rate * cosine_schedule(moment.within(self.plan.rounds), knobs.warmup)

    def end_of(self, epoch: int) -> Moment:
        """The last step of an epoch, counted from 1."""
        return Moment(epoch * self.steps_per_epoch - 1, self.steps, self.steps_per_epoch)
