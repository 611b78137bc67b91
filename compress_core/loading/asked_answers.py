"""What is asked of a network: told by whoever loads it, or by its answers and the labels beside its items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.items import Items, check_classes
from compress_core.network.input_field import is_whole
from compress_core.subject.answer_kind import AnswerKind, PredictionTask
from compress_core.subject.input_form import InputForm
from compress_core.subject.judged_rows import NOT_COUNTED, UNKNOWN, refuse_other_shape
from compress_core.subject.reading_remarks import ReadingRemarks
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject

TaskName = Literal["classification", "labels", "regression", "tokens", "next_token", "embedding"]
TASK_NAMES: tuple[TaskName, ...] = get_args(TaskName)
_LARGEST_CLASS = 2**24
"""Up to which float32 holds every whole number."""
NEXT_TOKEN: TaskName = "next_token"  # noqa: S105 - no password

_KINDS = {
    PredictionTask.CLASSIFICATION: AnswerKind.SCORES,
    PredictionTask.LABELS: AnswerKind.LABEL_SCORES,
    PredictionTask.REGRESSION: AnswerKind.VALUES,
    PredictionTask.TOKENS: AnswerKind.TOKEN_SCORES,
    PredictionTask.EMBEDDING: AnswerKind.VECTORS,
}

_NAMES: Mapping[PredictionTask, TaskName] = {
    task: name for task in PredictionTask for name in TASK_NAMES if name == task.value
}


def checked_task(name: object) -> TaskName | None:
    """The name of a task as it was typed; raises Refused with those there are."""
    if name is None or name in TASK_NAMES:
        return name
    raise Refused("A task is one of {names}, but got {got!r}.", names=", ".join(TASK_NAMES), got=name)


def asked_of(subject: Subject) -> TaskName:
    """The name of what is asked of a model."""
    return NEXT_TOKEN if subject.input.next_word else _NAMES[subject.answers.task]


def kind_asked(task: TaskName | None, outputs: Any, items: Items | None, name: str) -> AnswerKind:
    """How answers to two items are meant; raises Refused where they are not what was asked for."""
    labels = None if items is None else items.labels
    if _are_numbers_of_classes(labels, outputs):
        labels = None
    asked = PredictionTask.TOKENS if task == NEXT_TOKEN else None if task is None else PredictionTask(task)
    kind = _KINDS[asked or _likely_task(outputs, labels)]
    if asked is None and kind is AnswerKind.SCORES:
        _refuse_no_classifier(outputs, name)
    else:
        refuse_other_shape(outputs, kind)
    return kind


def kind_of_rows(task: TaskName | None, items: Items | None, name: str) -> AnswerKind:
    """How answers are meant of which is known that they are one row of numbers; raises Refused for others."""
    if task in {NEXT_TOKEN, PredictionTask.TOKENS.value}:
        raise Refused(
            "{name} answers with one row of numbers for each item, so that it has no places of a sequence: "
            "ask something else of it ({tasks}).",
            name=name,
            tasks=", ".join(asked for asked in TASK_NAMES if asked not in {NEXT_TOKEN, "tokens"}),
        )
    labels = None if items is None else items.labels
    return _KINDS[_likely_task(None, labels) if task is None else PredictionTask(task)]


def _likely_task(outputs: Any, labels: NDArray[np.generic] | None) -> PredictionTask:
    if (
        isinstance(outputs, Tensor)
        and outputs.dim() == 3
        and outputs.shape[2] > 1
        and _for_tokens(outputs, labels)
    ):
        return PredictionTask.TOKENS
    if labels is not None and labels.dtype.kind == "f" and not _are_truths(labels):
        return PredictionTask.REGRESSION
    if labels is not None and labels.ndim == 2:
        return PredictionTask.LABELS
    return PredictionTask.CLASSIFICATION


def _for_tokens(outputs: Tensor, labels: NDArray[np.generic] | None) -> bool:
    """Whether labels say that places are judged: scores and an image have as many axes."""
    if labels is None or labels.ndim != 2:
        return False
    return labels.shape[1] == outputs.shape[1] or labels.dtype.kind != "f"


def _are_numbers_of_classes(labels: NDArray[np.generic] | None, outputs: Any) -> bool:
    """Whether labels [N] are whole numbers kept as real ones, where one value is not what is answered."""
    if labels is None or labels.ndim != 1 or labels.dtype.kind != "f" or not isinstance(outputs, Tensor):
        return False
    return outputs.dim() == 2 and outputs.shape[1] > 1 and _are_whole(labels)


def _are_truths(labels: NDArray[np.generic]) -> bool:
    """Whether real numbers [N, labels] are the 0 and 1 that a binary cross-entropy takes as its targets."""
    return labels.ndim == 2 and labels.shape[1] > 1 and bool(((labels == 0) | (labels == 1)).all())


def said_of_truths(task: TaskName | None, items: Items, kind: AnswerKind) -> ReadingRemarks:
    """That real numbers were taken for labels that hold or don't, where nobody said so."""
    labels = items.labels
    if (
        task is not None
        or labels is None
        or labels.dtype.kind != "f"
        or kind.task is not PredictionTask.LABELS
    ):
        return ReadingRemarks()
    said = Phrase(
        "The labels are real numbers, but each is 0 or 1, so that they were taken for {count} labels that "
        "hold or don't. If the network answers such numbers instead, ask for regression: "
        'task="regression" in Python, --task regression in the shell, or "What is asked of it" on Start.',
        count=labels.shape[1],
    )
    return ReadingRemarks((said,))


def _are_whole(values: NDArray[np.generic]) -> bool:
    return bool((values == np.rint(values)).all())


def _refuse_no_classifier(outputs: Any, name: str) -> None:
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != 2 or outputs.shape[1] < 2:
        raise Refused(
            "{name} must answer with one score for each of two or more classes, [items, classes], but it "
            "gave {got}: wrap it so that forward returns the logits, or say what is asked of it ({tasks}).",
            name=name,
            got=list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__,
            tasks="task=" + ", ".join(TASK_NAMES[1:]),
        )


def with_asked_labels(items: Items, form: InputForm, kind: AnswerKind) -> Items:
    """The items with the labels that follow from them: of a language model the next words.

    Where places of a sequence are judged and only a mask says which are there, labels say just that.
    """
    items = with_class_numbers(items, kind)
    if kind.task is not PredictionTask.TOKENS:
        return items
    ids, mask = _words_and_mask(items, form)
    if form.next_word:
        if ids is None:
            raise Refused(
                "The next word is judged, but the items hold no words: give input_ids as whole numbers, and "
                "attention_mask where they are not all as long."
            )
        if items.labels is not None:
            raise Refused(
                "The next word is judged, so that the labels follow from the words, but the items hold "
                "labels, {dtype} {got}: leave them out, or say that classes at each place are judged "
                "(task=tokens).",
                dtype=str(items.labels.dtype),
                got=list(items.labels.shape),
            )
        labels = np.full(ids.shape, NOT_COUNTED, dtype=np.int64)
        there = mask[:, 1:] * mask[:, :-1]
        labels[:, :-1] = np.where(there > 0, ids[:, 1:], NOT_COUNTED)
        return replace(items, labels=labels)
    if items.labels is None and ids is not None and bool((mask == 0).any()):
        return replace(items, labels=np.where(mask > 0, UNKNOWN, NOT_COUNTED).astype(np.int64))
    return items


def with_class_numbers(items: Items, kind: AnswerKind) -> Items:
    """The items with numbers of classes as whole ones, where they came as real ones without fractions."""
    labels = items.labels
    if labels is None or labels.dtype.kind != "f" or not kind.has_classes or not _are_whole(labels):
        return items
    if labels.size and float(np.abs(labels).max()) > _LARGEST_CLASS:
        raise Refused(
            "The labels go from {low:g} to {high:g}, which are no numbers of classes: number the classes "
            "from 0, or say that such numbers are to be answered (task=regression).",
            low=float(labels.min()),
            high=float(labels.max()),
        )
    return replace(items, labels=labels.astype(np.int64))


def _words_and_mask(items: Items, form: InputForm) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
    """The numbers of words [N, L], None without any, and which of them are there [N, L]."""
    rows = np.asarray(items.inputs)
    if not form.by_name:
        ids = rows.astype(np.int64) if is_whole(form.fields) and rows.ndim == 2 else None
        return ids, np.ones(rows.shape[:2], dtype=np.int64)
    starts = np.cumsum([0, *(field.width for field in form.fields)])
    parts = {
        field.name: rows[:, start : start + field.width].astype(np.int64)
        for field, start in zip(form.fields, starts, strict=False)
        if field.kind != "real" and len(field.shape) == 1
    }
    words = next((part for name, part in parts.items() if name.endswith("ids") and "type" not in name), None)
    fallback = np.ones_like(words if words is not None else rows[:, :1].astype(np.int64))
    mask = next((part for name, part in parts.items() if "mask" in name), fallback)
    return words, mask if words is not None and mask.shape == words.shape else fallback


def check_labels(items: Items, kind: AnswerKind, answers: int) -> None:
    """Refuse labels that are not what a network of so many classes, labels or values answers."""
    if items.labels is None:
        return
    labels = items.labels
    _refuse_other_form(labels, kind, answers)
    match kind.task:
        case PredictionTask.LABELS:
            _refuse_other_than_truth(labels)
        case PredictionTask.TOKENS:
            _refuse_nothing_judged(labels)
            check_classes(items, answers)
            _refuse_below(labels[labels != NOT_COUNTED], UNKNOWN)
        case PredictionTask.CLASSIFICATION:
            check_classes(items, answers)
            _refuse_below(labels, 0)


def refuse_other_places(splits: Iterable[Split], outputs: Tensor) -> None:
    """Refuse labels [N, L] where a network answers [n, places, classes] at another number of places."""
    for split in splits:
        if split.labels is not None and split.labels.shape[1] != outputs.shape[1]:
            raise Refused(
                "The labels are [N, {labeled}], but the network answers [N, {places}, {classes}]: give a "
                "label for each place that it answers, and {left} where none is judged.",
                labeled=split.labels.shape[1],
                places=outputs.shape[1],
                classes=outputs.shape[2],
                left=NOT_COUNTED,
            )


def _refuse_other_than_truth(labels: NDArray[np.generic]) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > 1:
        raise Refused(
            "The labels go from {low} to {high}, but each says whether a label holds: it is 0 or 1. Save "
            "them so, or say what else is asked of the network, such as real numbers (task=regression).",
            low=low,
            high=high,
        )


def _refuse_nothing_judged(labels: NDArray[np.generic]) -> None:
    if not bool((labels != NOT_COUNTED).any()):
        raise Refused(
            "All labels {got} are {left}, which marks a place that is not judged, so that nothing is left to "
            "judge: give the class of one place at least. The next word needs texts of two words or more.",
            got=list(labels.shape),
            left=NOT_COUNTED,
        )


def _refuse_below(labels: NDArray[np.generic], least: int) -> None:
    if int(labels.min(initial=0)) < least:
        raise Refused(
            "The labels go down to {low}; classes are numbered from 0, and {left} marks what is not judged.",
            low=int(labels.min()),
            left=NOT_COUNTED,
        )


def _refuse_other_form(labels: NDArray[np.generic], kind: AnswerKind, answers: int) -> None:
    whole = labels.dtype.kind in "iub"
    fits = {
        PredictionTask.CLASSIFICATION: whole and labels.ndim == 1,
        PredictionTask.LABELS: whole and labels.shape[1:] == (answers,),
        PredictionTask.REGRESSION: labels.shape[1:] in ({(answers,)} | ({()} if answers == 1 else set())),
        PredictionTask.TOKENS: whole and labels.ndim == 2,
        PredictionTask.EMBEDDING: False,
    }[kind.task]
    if not fits:
        raise Refused(
            "For {task} the labels must be {wanted}, but they are {dtype} {got}: save them so, or say that "
            "something else is asked of the network ({tasks}).",
            task=kind.task.value,
            wanted=_form_wanted(kind.task, answers),
            dtype=str(labels.dtype),
            got=list(labels.shape),
            tasks="task=" + ", ".join(name for name in TASK_NAMES if name != kind.task.value),
        )


def _form_wanted(task: PredictionTask, answers: int) -> Phrase:
    """What labels a network of so many answers needs."""
    match task:
        case PredictionTask.CLASSIFICATION:
            return Phrase(
                "[N], one whole number for each item, since it tells {count} classes apart", count=answers
            )
        case PredictionTask.LABELS:
            return Phrase("[N, {count}], 0 or 1 for each of its {count} labels", count=answers)
        case PredictionTask.REGRESSION if answers == 1:
            return Phrase("[N] or [N, 1], real numbers, since it answers one value")
        case PredictionTask.REGRESSION:
            return Phrase("[N, {count}], real numbers, since it answers {count} values", count=answers)
        case PredictionTask.TOKENS:
            return Phrase("[N, places], one whole number for each place")
    return Phrase("left out: vectors are compared with the original's")
