"""Real numbers: squared errors in units of their spread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_
from compress_core.numerics.deviations import spread_of
from compress_core.subject.judged_rows import JudgedRows, judged_rows
from compress_core.subject.split import Split
from compress_core.training.objective import TrainingObjective


@dataclass(frozen=True, eq=False)
class ValueObjective(TrainingObjective):
    """Real numbers: the mean squared error, each value in standard deviations of the right ones.

    Labels: mean of ((answer - label) / spread)^2 over items and values, spread [values] that of the training
    labels: 1 is what their mean would get, whatever the unit, so that the usual learning rates fit.
    Teacher: the same of its answers, in units of their own spread, mean and teacher_spread [values]. Epochs:
    R squared.

    Bishop 2006, Pattern Recognition and Machine Learning, eq. 1.2; teacher: Ba and Caruana 2014,
    arXiv:1312.6184, eq. 1.
    """

    spread: Tensor | None = None
    mean: Tensor | None = None
    teacher_spread: Tensor | None = None
    metric_name: ClassVar[str] = "explained_variance"
    loss_name: ClassVar[str] = N_("loss (mean squared error / variance)")

    def _compared(self, outputs: Tensor) -> Tensor:
        """The values [n, values]."""
        return outputs.reshape(len(outputs), -1)

    def rows(self, answers: Tensor, labels: Tensor | None) -> JudgedRows:
        """A row of values for each item; answers [n, values], labels [n] or [n, values]."""
        return judged_rows(answers, labels, self.kind)

    def label_loss(self, answers: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """Mean squared error in variances of the labels; both [n, values]."""
        assert smoothing == 0, "refused before"
        assert self.spread is not None, "items told it"
        return _squared(answers, labels, self.spread)

    def teacher_loss(self, answers: Tensor, teacher_answers: Tensor, _temperature: float) -> Tensor:
        """Mean squared difference in variances of the teacher's answers; both [n, values]."""
        assert self.teacher_spread is not None, "a teacher was asked"
        return _squared(answers, teacher_answers, self.teacher_spread)

    def explained(self, answers: Tensor) -> Tensor:
        """The value [n] that lies farthest from the mean of the labels, in their spread; [n, values]."""
        assert self.mean is not None, "items told it"
        assert self.spread is not None, "items told it"
        return ((answers - self.mean) / self.spread).abs().argmax(dim=1)

    def of_items(self, items: Split, teacher_answers: Tensor | None) -> TrainingObjective:
        """With the spread of the labels, and of what a teacher answers [N, values]."""
        assert items.labels is not None, "refused before"
        labels = items.labels.reshape(len(items.labels), -1)
        told = None if teacher_answers is None else _unit_of(teacher_answers)
        return replace(
            self, spread=_unit_of(labels), mean=labels.double().mean(dim=0).float(), teacher_spread=told
        )

    def refuse_no_choice(self, validation: Split) -> None:
        """Labels that are all alike have no variance, of which an epoch could explain a share."""
        super().refuse_no_choice(validation)
        assert validation.labels is not None, "refused before"
        if bool((validation.labels == validation.labels[0]).all()):
            raise Refused(
                "The right answers of the {count:,} {split} items are all alike, so that no epoch explains "
                "more of their variance than another: give items whose right answers differ.",
                count=len(validation),
                split=validation.name,
            )


def _unit_of(values: Tensor) -> Tensor:
    """The standard deviation of each value [N, values] -> [values]; 1 where all are alike."""
    found = torch.from_numpy(spread_of(values.detach().cpu().numpy())).float()
    return torch.where(found > 0, found, torch.ones_like(found))


def _squared(one: Tensor, other: Tensor, spread: Tensor) -> Tensor:
    """The mean of ((one - other) / spread)^2 over items and values; both [n, values], spread [values]."""
    return ((one - other) / spread).square().mean()
