"""Whether a network answers with scores, or with what a softmax, a log-softmax or a sigmoid made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.load_check import AnswersWith, Finding, LoadedNetwork, NetworkWarning, load_check
from compress_core.subject.answer_kind import AnswerKind, PredictionTask

_ROUNDING = 1e-4
_SIGMOIDS = frozenset({"sigmoid", "sigmoid_", "hardsigmoid"})


@load_check(order=50)
def answer_form(loaded: LoadedNetwork) -> Iterator[Finding]:
    """Told by the answers to a few items, since a softmax need not be a module."""
    if not isinstance(loaded.answers, Tensor) or loaded.answers.dim() != 2:
        return
    if loaded.answers.is_complex():
        raise Refused(
            "{model} answers with complex numbers, of which none is the largest: return a real score for "
            "each class, such as their absolute values.",
            model=loaded.name,
        )
    match loaded.subject.answers.task:
        case PredictionTask.CLASSIFICATION:
            yield from _classes_form(loaded, loaded.answers)
        case PredictionTask.LABELS:
            yield from _labels_form(loaded, between=are_between(loaded.answers))


def _classes_form(loaded: LoadedNetwork, answers: Tensor) -> Iterator[Finding]:
    """What the answers of a classifier are."""
    kind, between = kind_of(answers), are_between(answers)
    if kind is AnswerKind.SCORES and between and _ends_in_sigmoid(loaded):
        kind = AnswerKind.SHARES
    yield AnswersWith(kind)
    match kind:
        case AnswerKind.PROBABILITIES:
            yield NetworkWarning(
                Phrase(
                    "{model} answers with probabilities, as behind a softmax: they are taken as they are, "
                    "and no softmax is applied to them.",
                    model=loaded.name,
                )
            )
        case AnswerKind.LOGARITHMS:
            yield NetworkWarning(
                Phrase(
                    "{model} answers with logarithms of probabilities, as behind a log-softmax: its "
                    "probabilities are their exponentials.",
                    model=loaded.name,
                )
            )
        case AnswerKind.SHARES:
            yield NetworkWarning(
                Phrase(
                    "{model} answers with the output of a sigmoid: each is taken as the confidence in its "
                    "class, and divergence is not measured, since they are no distribution over the classes.",
                    model=loaded.name,
                )
            )
        case AnswerKind.SCORES if between:
            yield NetworkWarning(
                Phrase(
                    "All answers of {model} to its first items lie between 0 and 1: they are taken as scores "
                    "and go through a softmax. If they are shares already, confidence, calibration error and "
                    "divergence are not theirs: return what stands before the last function.",
                    model=loaded.name,
                )
            )


def _labels_form(loaded: LoadedNetwork, *, between: bool) -> Iterator[Finding]:
    """Whether a network that tells for each label whether it holds does so behind a sigmoid."""
    if between and _ends_in_sigmoid(loaded):
        yield AnswersWith(AnswerKind.LABEL_SHARES)
    elif between:
        yield NetworkWarning(
            Phrase(
                "All answers of {model} to its first items lie between 0 and 1: they are taken as scores, "
                "and a label holds where its score is above 0. If they are shares already, let a sigmoid be "
                "the last thing in its forward, or return what stands before it.",
                model=loaded.name,
            )
        )


def kind_of(answers: Tensor) -> AnswerKind:
    """What answers [items, classes] are, by their own evidence; rows that are not finite don't count."""
    rows = answers.double()
    rows = rows[rows.isfinite().all(dim=1)]
    if not len(rows):
        return AnswerKind.SCORES
    if bool((rows >= 0).all()) and _adds_up(rows):
        return AnswerKind.PROBABILITIES
    if bool((rows <= _ROUNDING).all()) and _adds_up(rows.exp()):
        return AnswerKind.LOGARITHMS
    return AnswerKind.SCORES


def are_between(answers: Tensor) -> bool:
    """Whether all answers [items, classes] lie between 0 and 1, and not all on the border."""
    inside = bool(((answers >= 0) & (answers <= 1)).all())
    return inside and bool(((answers > 0) & (answers < 1)).any())


class _Sigmoids(TorchFunctionMode):
    """Notes what sigmoids answered."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[object] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in _SIGMOIDS:
            self.made.append(result)
        return result


def _ends_in_sigmoid(loaded: LoadedNetwork) -> bool:
    """Whether the answer itself is what a sigmoid gave."""
    with _Sigmoids() as seen:
        answer = loaded.answer(loaded.copy())
    return any(answer is made for made in seen.made)


def _adds_up(rows: Tensor) -> bool:
    """Whether every row [items, classes] adds up to 1."""
    return bool(((rows.sum(dim=1) - 1).abs() < _ROUNDING).all())
