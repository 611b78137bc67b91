"""What of the answers is explained, of the original and of another model alike.

A class or a label is the one that the original says. A real number is one of those it answers with. Of a
vector it is the cosine with the original's own vector of the same item, which is held where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from compress_core.foundation.errors import Refused
from compress_core.measure.behavior.predictions import NO_CLASS
from compress_core.measure.explain.attribution import rows_of_size, skeleton
from compress_core.measure.explain.word_reading import at_places
from compress_core.network.forward import running_on
from compress_core.network.living_memory import rows_at_once
from compress_core.network.word_row import word_row
from compress_core.subject.answer_kind import AnswerKind, PredictionTask


class AskedKind(Enum):
    """What a map speaks for or against.

    CLASS: the class that the original predicts. LABEL: the one it is surest of. VALUE: one of its real
    numbers. VECTOR: the cosine with its own vector.
    """

    CLASS = "class"
    LABEL = "label"
    VALUE = "value"
    VECTOR = "vector"

    @property
    def is_chosen(self) -> bool:
        """Whether it is one of several, which another model may choose otherwise."""
        return self in {AskedKind.CLASS, AskedKind.LABEL}


_KINDS = {
    PredictionTask.LABELS: AskedKind.LABEL,
    PredictionTask.REGRESSION: AskedKind.VALUE,
    PredictionTask.EMBEDDING: AskedKind.VECTOR,
}


def asked_kind(answers: AnswerKind) -> AskedKind:
    """What is asked of a network that answers so."""
    return _KINDS.get(answers.task, AskedKind.CLASS)


@dataclass(frozen=True, eq=False)
class AskedAnswer:
    """Which number of the answer to each item is explained, targets [N]; -1 where it is none.

    vectors [N, width]: the original's own, where the one number is the cosine with them.
    """

    kind: AskedKind
    targets: Tensor
    vectors: Tensor | None = None

    def frame(self, before: nn.Module, after: nn.Module, inputs: Tensor, at: Tensor | None) -> pd.DataFrame:
        """What both say of it, a row for each item: class_before, class_after and flipped, or answers.

        answer_before, answer_after: the real number or the cosine. inputs [N, ...], at [N]: as asked.
        """
        if self.kind.is_chosen:
            first, second = self.targets.numpy(), predicted_class(after, inputs, at).numpy()
            return pd.DataFrame({"class_before": first, "class_after": second, "flipped": first != second})
        said = {
            f"answer_{side}": self._asked(answers_to(network, inputs, at)).double().numpy()
            for side, network in (("before", before), ("after", after))
        }
        return pd.DataFrame(said)

    def _asked(self, answers: Tensor) -> Tensor:
        if self.vectors is not None:
            return cosine_similarity(answers, self.vectors, dim=1)
        return answers.gather(1, self.targets.clamp(min=0)[:, None])[:, 0]


def asked_answer(
    network: nn.Module,
    inputs: Tensor,
    answers: AnswerKind = AnswerKind.SCORES,
    *,
    at: Tensor | None = None,
    value: int | None = None,
) -> AskedAnswer:
    """What the original is asked about items [N, ...]; value: which of its real numbers, else the first.

    at [N]: as `attributed_in_batches` has it.

    Raises Refused for a number that it does not answer with, or where no answer is finite.
    """
    kind = asked_kind(answers)
    if kind is not AskedKind.VALUE and value is not None:
        raise Refused(
            "Which value is explained can be chosen where a model answers with real numbers; this one is "
            "asked about the {kind}: leave the value out.",
            kind=kind.value,
        )
    if kind.is_chosen:
        asked = AskedAnswer(kind, predicted_class(network, inputs, at))
    else:
        said = answers_to(network, inputs, at)
        finite = said.isfinite().all(dim=1)
        chosen = torch.where(finite, _checked_value(value or 0, said.shape[1]), NO_CLASS)
        asked = AskedAnswer(kind, chosen) if kind is AskedKind.VALUE else _near(said, finite)
    if bool((asked.targets == NO_CLASS).all()):
        raise Refused(
            "The original gives none of these items a finite answer, so that there is nothing to explain: "
            "look for NaN or infinity in its weights and norms."
        )
    return asked


def _near(vectors: Tensor, finite: Tensor) -> AskedAnswer:
    return AskedAnswer(AskedKind.VECTOR, torch.where(finite, 0, NO_CLASS), vectors)


def _checked_value(value: int, count: int) -> int:
    if not 0 <= value < count:
        raise Refused(
            "The model answers with {count} real numbers, so the value that is explained must be from 0 to "
            "{last}, but it is {value}.",
            count=count,
            last=count - 1,
            value=value,
        )
    return value


def predicted_class(network: nn.Module, inputs: Tensor, at: Tensor | None = None) -> Tensor:
    """The most probable class of each item, [N]; -1 where the outputs are not finite.

    at [N]: as in `asked_answer`.
    """
    shares = answers_to(network, inputs, at).softmax(dim=1)
    return torch.where(shares.isnan().any(dim=1), NO_CLASS, shares.argmax(dim=1))


@torch.inference_mode()
def answers_to(network: nn.Module, inputs: Tensor, at: Tensor | None = None) -> Tensor:
    """What a network answers to items [N, ...], a row for each [N, C]; at [N]: as in `asked_answer`."""
    own = skeleton(network)
    row = word_row(own, inputs)
    if at is None:
        at = torch.zeros(len(inputs), dtype=torch.long) if row is None else row.last(inputs)
    parts = []
    size = rows_at_once(own, inputs, rows_of_size(inputs))
    for rows, places in zip(torch.split(inputs, size), torch.split(at, size), strict=True):
        with running_on(rows):
            parts.append(at_places(own(rows), places))
    return torch.cat(parts)
