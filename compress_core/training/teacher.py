"""Whom a model learns from, as far as the methods of a training ask: the model as loaded, or another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.network.copied_tree import copied_tree
from compress_core.network.input_guard import guarded
from compress_core.subject.split import BATCH, Split
from compress_core.subject.subject import Subject
from compress_core.training.matched_features import MatchedFeatures
from compress_core.training.objective import TrainingObjective, answers_of_all
from compress_core.training.objective_of_kind import objective_of
from compress_core.training.saliency_maps import SaliencyMaps, refuse_no_maps

_TRIED = 8
"""Items on which maps are tried before a training begins."""


def teaching(model: Model) -> nn.Module:
    """A network of its own to ask, in evaluation mode; nothing of it learns."""
    return guarded(copied_tree(model.network(), {})).eval().requires_grad_(requires_grad=False)


def refuse_other_items(teacher: Model, student: Model) -> None:
    """Raises Refused where a teacher is given other items than its student, or tells other classes apart.

    One that came without items says nothing of how they are prepared, nor what its classes are called.
    """
    one, other = teacher.subject, student.subject
    knows = bool(one.splits)
    if one.input.shape != other.input.shape or (knows and _scale(one) != _scale(other)):
        raise Refused(
            "{teacher} is given items of shape {got}, and {student} of shape {wanted}, or they are prepared "
            "otherwise: both must take the same items; choose a teacher that does.",
            teacher=one.title,
            got=list(one.input.shape),
            student=other.title,
            wanted=list(other.input.shape),
        )
    if type(objective_of(one.answers)) is not type(objective_of(other.answers)) or one.task is not other.task:
        raise Refused(
            "{teacher} answers with {got} ({got_task}) and {student} with {wanted} ({wanted_task}), and a "
            "student learns from answers of its own kind: choose another teacher.",
            teacher=one.title,
            got=one.answers.value,
            got_task=one.task.value,
            student=other.title,
            wanted=other.answers.value,
            wanted_task=other.task.value,
        )
    if len(one.classes) != len(other.classes) or (knows and one.classes != other.classes):
        raise Refused(
            "{teacher} tells {got} classes apart and {student} {wanted}, which must be the same ones in the "
            "same order: choose another teacher.",
            teacher=one.title,
            got=len(one.classes),
            student=other.title,
            wanted=len(other.classes),
        )


def _scale(subject: Subject) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return subject.input.mean, subject.input.std


@dataclass(frozen=True, eq=False)
class Teacher:
    """Its answers to all training items [N, classes], its network, and outputs of hidden layers.

    None where no method asks for them.
    """

    subject: Subject
    answers: Tensor | None = None
    network: nn.Module | None = None
    features: MatchedFeatures | None = None

    @classmethod
    def of(cls, model: Model, items: Split, *, answers: bool, explains: bool) -> Teacher:
        """answers: whether it is asked for its answers to all items; explains: whether it is for maps."""
        subject = model.subject
        if not answers and not explains:
            return cls(subject)
        network = teaching(model)
        objective = objective_of(subject.answers)
        told = answers_of_all(network, items.inputs, objective, BATCH) if answers else None
        return cls(subject, told, network if explains else None)

    def maps(
        self, learner: Callable[[Tensor], Any], inputs: Tensor, objective: TrainingObjective
    ) -> SaliencyMaps | None:
        """What both networks look at in inputs [n, ...]; nothing is worked out before it is asked for."""
        network, own = self.network, objective_of(self.subject.answers)
        if network is None:
            return None
        return SaliencyMaps(
            inputs,
            lambda given: own.answers(network(given)),
            lambda given: objective.answers(learner(given)),
            objective,
            self.subject.input.baseline,
        )

    def refuse_no_maps(
        self, learner: Callable[[Tensor], Any], items: Split, objective: TrainingObjective, method: str
    ) -> None:
        """Raises Refused, by the name of the method that asks, where a map of these items cannot be made."""
        maps = self.maps(learner, items.inputs[:_TRIED], objective)
        assert maps is not None, "there is a network to ask"
        refuse_no_maps(maps, method, self.subject.title)
