"""Vectors of an embedding: they keep the direction of the teacher's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import cosine_similarity

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.subject.judged_rows import JudgedRows
from compress_core.training.objective import TrainingObjective


@dataclass(frozen=True, eq=False)
class VectorObjective(TrainingObjective):
    """An embedding: 1 - cosine with the teacher's vector, the mean over items; there are no labels.

    Epochs: mean cosine with the vectors of the model as loaded.

    Sanh et al. 2019, DistilBERT, arXiv:1910.01108, section 2: its cosine embedding loss.
    """

    metric_name: ClassVar[str] = "cosine_to_original"
    loss_name: ClassVar[str] = N_("loss (1 - cosine)")
    learns_from_labels: ClassVar[bool] = False

    def _compared(self, outputs: Tensor) -> Tensor:
        """The vectors [n, width]."""
        return outputs

    def rows(self, answers: Tensor, _labels: Tensor | None) -> JudgedRows:
        """A row for each item; answers [n, width], labels None."""
        return JudgedRows(answers, None)

    def label_loss(self, _answers: Tensor, _labels: Tensor, _smoothing: float) -> Tensor:
        """Raises Refused: of vectors [n, width] none is the right one."""
        raise no_labels()

    def teacher_loss(self, answers: Tensor, teacher_answers: Tensor, _temperature: float) -> Tensor:
        """The mean of 1 - cosine; both [n, width]."""
        return (1 - cosine_similarity(answers, teacher_answers, dim=1)).mean()

    def explained(self, _answers: Tensor) -> Tensor:
        """Nothing of vectors [n, width]: see `why_no_maps`."""
        raise AssertionError("refused before")

    def why_no_maps(self) -> Phrase | None:
        """What would be explained is the cosine, whose slope is zero where the teacher stands."""
        return Phrase("at its own vector the cosine is at its largest, so that its slope is zero")


def no_labels() -> Refused:
    """What to do where a method learns from labels and an embedding has none."""
    return Refused(
        "This network answers with vectors, which have no labels, and the training learns from labels: "
        "take distill, which learns from the vectors of the model as loaded."
    )
