"""Scores of classes and labels: cross-entropy, and the divergence from a teacher's soft answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax, one_hot

from compress_core.foundation.texts import N_, Phrase
from compress_core.subject.answer_kind import AnswerKind, PredictionTask
from compress_core.subject.judged_rows import JudgedRows, judged_rows
from compress_core.training.objective import TrainingObjective

_SMALLEST = 1e-12


def kl_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) of logarithms of probabilities [n, k], batch mean in nats.

    Hinton et al. 2015, arXiv:1503.02531, section 2.
    """
    return kl_div(student, teacher, reduction="batchmean", log_target=True)


@dataclass(frozen=True, eq=False)
class ClassObjective(TrainingObjective):
    """One of several classes for each item, or at each place of a sequence.

    Labels: cross-entropy. Teacher: T^2 KL(teacher at T || student at T). Epochs: accuracy. All in nats.

    Hinton et al. 2015, arXiv:1503.02531, section 2.
    """

    metric_name: ClassVar[str] = "accuracy"
    loss_name: ClassVar[str] = N_("loss (nat)")

    def _compared(self, outputs: Tensor) -> Tensor:
        """Scores in the shape of outputs [n, ...], whose softmax is the probabilities."""
        return outputs.clamp(min=_SMALLEST).log() if self.kind is AnswerKind.PROBABILITIES else outputs

    def rows(self, answers: Tensor, labels: Tensor | None) -> JudgedRows:
        """A row of scores for each decision; answers [n, ...], labels [n, ...]."""
        return judged_rows(answers, labels, self.kind)

    def label_loss(self, answers: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """Mean cross-entropy in nats; answers [u, classes], labels [u].

        Smoothing: Szegedy et al. 2016, arXiv:1512.00567, section 7.
        """
        return cross_entropy(answers, labels, label_smoothing=smoothing)

    def teacher_loss(self, answers: Tensor, teacher_answers: Tensor, temperature: float) -> Tensor:
        """T^2 KL(teacher at T || student at T), batch mean in nats; both [u, classes].

        T^2 keeps gradients of one size at any T. Hinton et al. 2015, arXiv:1503.02531, section 2.
        """
        student = log_softmax(answers / temperature, dim=1)
        teacher = log_softmax(teacher_answers / temperature, dim=1)
        return temperature**2 * kl_divergence(student, teacher)

    def explained(self, answers: Tensor) -> Tensor:
        """The class [n] that the teacher answers with [n, classes]."""
        return answers.argmax(dim=1)

    def why_no_maps(self) -> Phrase | None:
        """Of a sequence there is no one answer to explain."""
        if self.kind.task is PredictionTask.TOKENS:
            return Phrase("an item holds several decisions")
        return None

    def soft_answers(self, answers: Tensor, temperature: float) -> Tensor | None:
        """Probabilities [classes] of one item, of a sequence at its first place."""
        first = answers.reshape(-1, answers.shape[-1])[0]
        return torch.softmax(first.double() / temperature, dim=0)


@dataclass(frozen=True, eq=False)
class LabelObjective(ClassObjective):
    """Several labels, or classes behind a sigmoid each: every one is a decision between yes and no.

    Labels: binary cross-entropy. Teacher: T^2 KL between the two Bernoulli distributions of each label. A
    score is a logit z, and the row of its decision (0, z), whose softmax is (1 - sigmoid(z), sigmoid(z)): so
    both are those of classes, and are means over items and labels. Epochs: accuracy of all decisions, of
    classes that of the class. All in nats.

    Bishop 2006, Pattern Recognition and Machine Learning, eq. 4.90; teacher: Hinton et al. 2015,
    arXiv:1503.02531, section 2, for each label as in Yang et al. 2023, arXiv:2308.06453, section 3.
    """

    def _compared(self, outputs: Tensor) -> Tensor:
        """A logit for each label [n, labels]; of shares their log odds."""
        if self.kind is AnswerKind.LABEL_SCORES:
            return outputs
        return _log_odds(outputs)

    def rows(self, answers: Tensor, labels: Tensor | None) -> JudgedRows:
        """Logits [n, labels] as a row (0, logit) for each decision; labels [n, labels], of classes [n]."""
        known = labels
        if labels is not None and self.kind is AnswerKind.SHARES:
            known = one_hot(labels, answers.shape[1])
        return judged_rows(answers, known, AnswerKind.LABEL_SCORES)

    def soft_answers(self, answers: Tensor, temperature: float) -> Tensor | None:
        """The probability [labels] of each label of one item by itself."""
        return torch.sigmoid(answers.double() / temperature)


def _log_odds(shares: Tensor) -> Tensor:
    """The logits of shares of any shape; 0 and 1 as far as numbers go, so that they stay finite."""
    inside = shares.clamp(0, 1)
    tiny = torch.finfo(inside.dtype).tiny
    return inside.clamp_min(tiny).log() - (1 - inside).clamp_min(tiny).log()
