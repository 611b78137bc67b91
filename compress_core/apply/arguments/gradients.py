"""What the loss says of a weight."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.weight_view import NetworkView, WeightView
from compress_core.network.squared_gradients import Loss, SquaredGradients, fisher_diagonals
from compress_core.subject.answer_kind import AnswerKind

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
    """The cross-entropy of answers [n, classes] of a kind with labels [n]."""
    match kind:
        case AnswerKind.PROBABILITIES:
            return lambda answers, labels: F.nll_loss(answers.clamp_min(_TINY).log(), labels)
        case AnswerKind.SHARES:
            return lambda answers, labels: F.binary_cross_entropy(
                answers, F.one_hot(labels, answers.shape[1]).to(answers.dtype)
            )
    return F.cross_entropy
