"""What the loss says of a weight."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.weight_view import NetworkView, WeightView
from compress_core.foundation.errors import Refused
from compress_core.network.squared_gradients import Loss, SquaredGradients, fisher_diagonals
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.judged_rows import judged_rows

_TINY = torch.finfo(torch.float32).tiny


@argument(depends_on=DependsOn.ITEMS | DependsOn.LABELS | DependsOn.FACTORED_LAYERS | DependsOn.LATER_LAYERS)
def fisher_diagonal(at: WeightView) -> Tensor:
    """The mean over items of the squared gradient [out, in * k]; all weights are measured in one go.

    Raises Refused where no gradient reaches the weight, or none that says anything.
    """
    return at.measured(_squared_gradients, lambda found: found.mean.nbytes).told_of(at.name)


def _squared_gradients(of: NetworkView) -> Mapping[str, SquaredGradients]:
    loss = loss_of(of.answers)
    return fisher_diagonals(of.whole_network(), of.whole_layers(), of.items(), of.labels(), loss)


def loss_of(kind: AnswerKind) -> Loss:
    """The loss of answers [n, ...] of a kind with labels [n, ...]; its own choices stand for missing labels.

    Cross-entropy, of real numbers half the squared error. Raises Refused for vectors, of which none is right,
    and where real numbers have no labels.
    """

    def loss(outputs: Tensor, labels: Tensor | None) -> Tensor:
        rows = judged_rows(outputs, labels, kind)
        if not kind.has_classes:
            return _half_squared(rows.answers, rows.labels)
        return _cross_entropy(
            rows.answers, rows.answers.argmax(1) if rows.labels is None else rows.labels, kind
        )

    return loss


def _cross_entropy(answers: Tensor, labels: Tensor, kind: AnswerKind) -> Tensor:
    match kind:
        case AnswerKind.PROBABILITIES:
            return F.nll_loss(answers.clamp_min(_TINY).log(), labels)
        case AnswerKind.SHARES:
            wanted = F.one_hot(labels, answers.shape[1]).to(answers.dtype)
            return F.binary_cross_entropy(answers, wanted)
    return F.cross_entropy(answers, labels)


def _half_squared(answers: Tensor, labels: Tensor | None) -> Tensor:
    if labels is None:
        raise Refused(
            "The gradient of a loss is asked for, but there is nothing to be right about: real numbers need "
            "labels, and vectors have none. Take a technique that looks at weights or inputs."
        )
    return 0.5 * (answers - labels).square().sum(1).mean()
