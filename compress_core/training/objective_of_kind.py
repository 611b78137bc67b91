"""Which objective the answers of a network have."""

from __future__ import annotations

from compress_core.subject.answer_kind import AnswerKind
from compress_core.training.class_objective import ClassObjective, LabelObjective
from compress_core.training.objective import TrainingObjective
from compress_core.training.value_objective import ValueObjective
from compress_core.training.vector_objective import VectorObjective


def objective_of(kind: AnswerKind) -> TrainingObjective:
    """What a network that answers so learns from."""
    match kind:
        case AnswerKind.LABEL_SCORES | AnswerKind.LABEL_SHARES | AnswerKind.SHARES:
            return LabelObjective(kind)
        case AnswerKind.VALUES:
            return ValueObjective(kind)
        case AnswerKind.VECTORS:
            return VectorObjective(kind)
    return ClassObjective(kind)
