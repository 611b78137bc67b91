"""What a loss or penalty may ask for by name, made for one batch when it is asked for.

| name | what it is |
|---|---|
| `inputs`, `labels` | of the batch, [n, ...] and [n] |
| `scores` | what the trained network answers, [n, classes]; its softmax are probabilities |
| `teacher_scores` | the same of the model as loaded |
| `weights` | the weight [out, in] of each layer that the method speaks of, by name |
| `layer_inputs` | what each of these layers was given, [n, ...] each time it ran, by name |
| `codes` | which level each weight has and where it lies between levels, by name, where weights are rounded |
| `bias_codes` | the same of biases that are rounded, each as a weight of one row, by the name of its layer |
| `noted` | what the method worked out before this epoch |
| `moment` | where the training is on its way |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from compress_core.foundation.cached import cached_property
from compress_core.foundation.errors import Refused
from compress_core.subject.answer_kind import AnswerKind
from compress_core.training.moment import Moment

_SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class BeforeEpoch:
    """What is known before an epoch: the teacher's scores of all items [N, classes]; what methods noted."""

    teacher_scores: Tensor | None
    noted: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class BatchValues:
    """The values of one batch; index [n] says which training items it has."""

    inputs: Tensor
    labels: Tensor
    scores: Tensor
    index: Tensor
    known: BeforeEpoch
    moment: Moment
    layer_inputs: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)

    @cached_property
    def teacher_scores(self) -> Tensor:
        """The scores of the model as loaded for this batch [n, classes]."""
        assert self.known.teacher_scores is not None, "the loop asks the teacher where a method wants it"
        return self.known.teacher_scores[self.index]

    def supplied(self, names: tuple[str, ...], of_layers: Mapping[str, Any]) -> dict[str, Any]:
        """What a method asks for, by name; of_layers: what there is of its own layers alone."""
        return {name: of_layers[name] if name in of_layers else getattr(self, name) for name in names}


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
    """What the teacher answers to every training item [N, classes], asked once, in evaluation mode.

    inputs [N, ...]; rows: how many go through together.
    """
    return torch.cat([scores_of(network(batch), kind) for batch in torch.split(inputs, rows)])
