"""The answers of a network as one table with a row for each decision, whatever is asked of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_
from compress_core.subject.answer_kind import AnswerKind, PredictionTask

NOT_COUNTED = -100
"""The label of a place that is not judged, as torch's cross-entropy has it."""
UNKNOWN = -1
"""The label of a place that is judged and whose right answer nobody told."""
_SMALLEST = torch.finfo(torch.float32).tiny


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """Decisions [U] of all items.

    answers [U, C]: scores or what else the kind says; labels [U], of real numbers [U, C], or None; item [U]:
    whose decision each is, part [U]: which label or place of the item, both None where an item is one
    decision.
    """

    answers: Tensor
    labels: Tensor | None
    item: Tensor | None = None
    part: Tensor | None = None


def judged_rows(outputs: Tensor, labels: Tensor | None, kind: AnswerKind) -> JudgedRows:
    """What a network answered for some items, as a row for each decision.

    outputs [N, C], of tokens [N, L, C], of real numbers [N] or [N, C]; labels [N], of tokens [N, L], of
    several labels or real numbers [N, C]. Whether a label holds is a decision between two classes, of which
    the score of the first is 0. Raises Refused where outputs of this kind have another shape.
    """
    refuse_other_shape(outputs, kind)
    match kind.task:
        case PredictionTask.TOKENS:
            return _of_tokens(outputs, labels)
        case PredictionTask.LABELS:
            return _of_labels(outputs, labels, kind)
        case PredictionTask.REGRESSION:
            flat = outputs.reshape(len(outputs), -1)
            return JudgedRows(flat, None if labels is None else labels.reshape(len(flat), -1).to(flat.dtype))
    return JudgedRows(outputs, labels)


def _of_tokens(outputs: Tensor, labels: Tensor | None) -> JudgedRows:
    places = outputs.shape[:2]
    counted = torch.ones(places, dtype=torch.bool) if labels is None else labels != NOT_COUNTED
    item, part = counted.nonzero(as_tuple=True)
    known = None if labels is None else labels[counted]
    if known is not None and bool((known == UNKNOWN).any()):
        known = None
    return JudgedRows(outputs[counted], known, item, part)


def _of_labels(outputs: Tensor, labels: Tensor | None, kind: AnswerKind) -> JudgedRows:
    count, classes = outputs.shape
    flat = outputs.reshape(-1)
    if kind is AnswerKind.LABEL_SHARES:
        inside = flat.clamp(0, 1)
        flat = inside.clamp_min(_SMALLEST).log() - (1 - inside).clamp_min(_SMALLEST).log()
    item = torch.arange(count).repeat_interleave(classes)
    known = None if labels is None else labels.reshape(-1).long()
    return JudgedRows(
        torch.stack([torch.zeros_like(flat), flat], 1), known, item, torch.arange(classes).repeat(count)
    )


_WANTED = {
    PredictionTask.CLASSIFICATION: N_("one table of class scores [items, classes]"),
    PredictionTask.TOKENS: N_("one score for each class at each place [items, places, classes]"),
    PredictionTask.LABELS: N_("one score for each label [items, labels]"),
    PredictionTask.REGRESSION: N_("its values [items, values]"),
    PredictionTask.EMBEDDING: N_("one vector for each item [items, width]"),
}


def refuse_other_shape(outputs: object, kind: AnswerKind) -> None:
    """Refuse outputs that are no table of what the kind says."""
    dims = {PredictionTask.TOKENS: {3}, PredictionTask.REGRESSION: {1, 2}}.get(kind.task, {2})
    if isinstance(outputs, Tensor) and outputs.dim() in dims:
        return
    raise Refused(
        "The model must return {wanted}, but it returned {got}: wrap it so that forward returns that.",
        wanted=_WANTED[kind.task],
        got=list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__,
    )
