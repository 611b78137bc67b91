"""What a network answers, as scores of classes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.subject.answer_kind import AnswerKind

_SMALLEST = 1e-12


def scores_of(outputs: Any, kind: AnswerKind) -> Tensor:
    """Outputs [n, classes] as scores whose softmax are probabilities; raises Refused where there are none."""
    if not isinstance(outputs, Tensor) or outputs.dim() != 2:
        raise Refused(
            "Only a network that answers with one score for each class, [items, classes], is trained, but it "
            "answered with {got}: wrap it so that forward returns the scores.",
            got=list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__,
        )
    match kind:
        case AnswerKind.PROBABILITIES:
            return outputs.clamp(min=_SMALLEST).log()
        case AnswerKind.SCORES | AnswerKind.LOGARITHMS:
            return outputs
    raise Refused(
        "This network answers with a probability for each class by itself, and is trained by none of the "
        "methods: take the sigmoid at its end away."
    )


@torch.no_grad()
def scores_of_all(network: torch.nn.Module, inputs: Tensor, kind: AnswerKind, rows: int) -> Tensor:
    """What a network answers to every item [N, classes], asked once; its mode is the caller's.

    inputs [N, ...]; rows: how many go through together.
    """
    return torch.cat([scores_of(network(batch), kind) for batch in torch.split(inputs, rows)])
