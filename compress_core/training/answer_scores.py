"""What a network answers, as scores of classes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.judged_rows import JudgedRows, judged_rows, refuse_other_shape

_SMALLEST = 1e-12


def decisions_of(outputs: Any, labels: Tensor | None, kind: AnswerKind) -> JudgedRows:
    """Outputs [n, ...] and labels as a row for each decision, whose answers are scores; raises Refused."""
    return judged_rows(item_scores(outputs, kind), labels, kind)


def scores_of(outputs: Any, kind: AnswerKind) -> Tensor:
    """Outputs [n, ...] as a row of scores for each decision, whose softmax is its probabilities."""
    return decisions_of(outputs, None, kind).answers


def item_scores(outputs: Any, kind: AnswerKind) -> Tensor:
    """Outputs [n, ...] as scores in the same shape; raises Refused where no method trains on them."""
    refuse_other_shape(outputs, kind)
    found: Tensor = outputs
    match kind:
        case AnswerKind.PROBABILITIES:
            return found.clamp(min=_SMALLEST).log()
        case AnswerKind.SHARES:
            raise Refused(
                "This network answers with a probability for each class by itself, and is trained by none of "
                "the methods: take the sigmoid at its end away."
            )
        case AnswerKind.VALUES | AnswerKind.VECTORS:
            raise untrained()
    return found


def untrained() -> Refused:
    """Why a network that answers with real numbers or a vector is trained by none of the methods."""
    return Refused(
        "The methods train on classes, and this network answers with real numbers or a vector: train "
        "it with your own code, and compress what that leaves."
    )


@torch.no_grad()
def scores_of_all(network: torch.nn.Module, inputs: Tensor, kind: AnswerKind, rows: int) -> Tensor:
    """What a network answers to every item [N, ...], asked once; its mode is the caller's.

    inputs [N, ...]; rows: how many go through together.
    """
    return torch.cat([item_scores(network(batch), kind) for batch in torch.split(inputs, rows)])
