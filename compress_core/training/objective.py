"""What a network of one kind of answer learns from, and by what its epochs are compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.measure.behavior.metric import Metric, metrics
from compress_core.network.quick_pooling import pooled_quickly
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.judged_rows import JudgedRows, refuse_other_shape
from compress_core.subject.split import Split


@dataclass(frozen=True, eq=False)
class TrainingObjective(ABC):
    """The losses of a kind of answer, against labels and against a teacher, and the score of an epoch.

    metric_name: by which the best epoch is kept, higher is better; loss_name: what both losses
    are called, with their unit; learns_from_labels: whether labels say what is right.
    """

    kind: AnswerKind
    metric_name: ClassVar[str]
    loss_name: ClassVar[str]
    learns_from_labels: ClassVar[bool] = True

    @property
    def metric(self) -> Metric:
        """The number by which the best epoch is kept."""
        return metrics()[self.metric_name]

    def answers(self, outputs: Any) -> Tensor:
        """Outputs [n, ...] in the form in which losses compare them, a row for each item; raises Refused."""
        refuse_other_shape(outputs, self.kind)
        return self._compared(outputs)

    @abstractmethod
    def _compared(self, outputs: Tensor) -> Tensor:
        """The same of outputs [n, ...] that have the shape of their kind."""

    @abstractmethod
    def rows(self, answers: Tensor, labels: Tensor | None) -> JudgedRows:
        """A row for each decision of answers [n, ...] and labels [n, ...]."""

    @abstractmethod
    def label_loss(self, answers: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """How wrong the rows of answers [u, c] are by their labels [u, ...], a scalar."""

    @abstractmethod
    def teacher_loss(self, answers: Tensor, teacher_answers: Tensor, temperature: float) -> Tensor:
        """How far the rows of answers [u, c] are from those of a teacher [u, c], a scalar."""

    @abstractmethod
    def explained(self, answers: Tensor) -> Tensor:
        """Which number of a teacher's answers [n, c] its maps are of [n]."""

    def why_no_maps(self) -> Phrase | None:
        """Why nothing is learned from maps of saliency; None where something is."""
        return None

    def soft_answers(self, _answers: Tensor, _temperature: float) -> Tensor | None:
        """What is shown of the answer [c] to one item at a temperature; None where that changes nothing."""
        return None

    def of_items(self, _items: Split, _teacher_answers: Tensor | None) -> TrainingObjective:
        """The same with what the items to train on, and a teacher's answers to them [N, ...], tell."""
        return self

    def refuse_no_choice(self, validation: Split) -> None:
        """Raises Refused where validation items cannot say which epoch is the best."""
        if self.learns_from_labels and validation.labels is None:
            raise unlabeled(validation)


def unlabeled(split: Split) -> Refused:
    """Why nothing is learned from a split, or chosen by it."""
    return Refused(
        "The {split} items have no labels, and training needs them to learn and to choose: "
        "add a file with inputs and labels.",
        split=split.name,
    )


def answers_of_all(
    network: torch.nn.Module, inputs: Tensor, objective: TrainingObjective, rows: int
) -> Tensor:
    """What a network answers to every item [N, ...], asked once; its mode is the caller's.

    inputs [N, ...]; rows: how many go through together.
    """
    with torch.no_grad(), pooled_quickly():
        return torch.cat([objective.answers(network(batch)) for batch in torch.split(inputs, rows)])
