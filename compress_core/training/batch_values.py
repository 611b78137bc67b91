"""What a loss or penalty may ask for by name, made for one batch when it is asked for.

| name | what it is |
|---|---|
| `inputs`, `labels` | of the batch, [n, ...] and [n]; there are no labels of an embedding |
| `answers` | what the trained network answers, [n, classes], values or a vector, as the objective has them |
| `objective` | the losses of this kind of answer, against labels and against a teacher |
| `teacher_answers` | the same of the teacher, which is the model as loaded unless another is named |
| `features` | what hidden layers gave and what those of the teacher did, pairs of equal shape |
| `saliency` | how what the teacher's maps are of changes with each input value, [n, *size] |
| `teacher_saliency` | the same of the model as loaded |
| `support` | which input values say something, [n, *size] |
| `weights` | the weight [out, in] of each layer that the method speaks of, by name |
| `layer_inputs` | what each of these layers was given, [n, ...] each time it ran, by name |
| `codes` | which level each weight has and where it lies between levels, by name, where weights are rounded |
| `bias_codes` | the same of biases that are rounded, each as a weight of one row, by the name of its layer |
| `noted` | what the method worked out before this epoch |
| `moment` | where the training is on its way |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from compress_core.foundation.cached import cached_property
from compress_core.training.matched_features import Features
from compress_core.training.moment import Moment
from compress_core.training.objective import TrainingObjective
from compress_core.training.saliency_maps import SaliencyMaps
from compress_core.training.teacher import Teacher


@dataclass(frozen=True, eq=False)
class BeforeEpoch:
    """What is known before an epoch: what is learned from, as far as a teacher is asked, and notes."""

    objective: TrainingObjective
    teacher: Teacher
    noted: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class BatchValues:
    """The values of one batch; index [n] says which training items it has.

    labels [u] and answers [u, classes] have a row for each decision, labels None where there are none;
    of_decisions makes such rows of a table [n, ...].
    """

    inputs: Tensor
    labels: Tensor | None
    answers: Tensor
    of_decisions: Callable[[Tensor], Tensor]
    index: Tensor
    known: BeforeEpoch
    moment: Moment
    layer_inputs: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)
    maps: SaliencyMaps | None = None
    features: Features = ()

    @cached_property
    def teacher_answers(self) -> Tensor:
        """The answers of the teacher to this batch [u, classes]."""
        assert self.known.teacher.answers is not None, "the loop asks the teacher where a method wants it"
        return self.of_decisions(self.known.teacher.answers[self.index])

    @property
    def objective(self) -> TrainingObjective:
        """The losses of this kind of answer."""
        return self.known.objective

    @property
    def saliency(self) -> Tensor:
        """The maps of the network that learns [n, *size], differentiable in what learns."""
        return self._maps.of_learner

    @property
    def teacher_saliency(self) -> Tensor:
        """The maps of the model as loaded [n, *size]."""
        return self._maps.of_teacher

    @property
    def support(self) -> Tensor:
        """Where an input differs from the one that says nothing [n, *size]."""
        return self._maps.support

    @property
    def _maps(self) -> SaliencyMaps:
        assert self.maps is not None, "the loop brings maps where a method wants them"
        return self.maps

    def supplied(self, names: tuple[str, ...], of_layers: Mapping[str, Any]) -> dict[str, Any]:
        """What a method asks for, by name; of_layers: what there is of its own layers alone."""
        return {name: of_layers[name] if name in of_layers else getattr(self, name) for name in names}
