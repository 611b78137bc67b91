"""What is asked of a network: told by whoever loads it, or by its answers and the labels beside its items."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.loading.items import Items, check_classes
from compress_core.network.input_field import is_whole
from compress_core.subject.answer_kind import AnswerKind, PredictionTask
from compress_core.subject.input_form import InputForm
from compress_core.subject.judged_rows import NOT_COUNTED, UNKNOWN, refuse_other_shape

TaskName = Literal["classification", "labels", "regression", "tokens", "next_token", "embedding"]
TASK_NAMES: tuple[TaskName, ...] = get_args(TaskName)
NEXT_TOKEN = "next_token"  # noqa: S105 - no password

_KINDS = {
    PredictionTask.CLASSIFICATION: AnswerKind.SCORES,
    PredictionTask.LABELS: AnswerKind.LABEL_SCORES,
    PredictionTask.REGRESSION: AnswerKind.VALUES,
    PredictionTask.TOKENS: AnswerKind.TOKEN_SCORES,
    PredictionTask.EMBEDDING: AnswerKind.VECTORS,
}


def checked_task(name: object) -> TaskName | None:
    """The name of a task as it was typed; raises Refused with those there are."""
    if name is None or name in TASK_NAMES:
        return name
    raise Refused("A task is one of {names}, but got {got!r}.", names=", ".join(TASK_NAMES), got=name)


def kind_asked(task: TaskName | None, outputs: Any, items: Items | None, name: str) -> AnswerKind:
    """How answers to two items are meant; raises Refused where they are not what was asked for."""
    labels = None if items is None else items.labels
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
    if labels is not None and labels.dtype.kind == "f":
        return PredictionTask.REGRESSION
    if labels is not None and labels.ndim == 2:
        return PredictionTask.LABELS
    return PredictionTask.CLASSIFICATION


def _for_tokens(outputs: Tensor, labels: NDArray[np.generic] | None) -> bool:
    """Whether labels say that places are judged: scores and an image have as many axes."""
    return labels is not None and labels.ndim == 2 and labels.shape[1] == outputs.shape[1]


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
    if kind.task is not PredictionTask.TOKENS:
        return items
    ids, mask = _words_and_mask(items, form)
    if form.next_word:
        if ids is None:
            raise Refused(
                "The next word is judged, but the items hold no words: give input_ids as whole numbers, and "
                "attention_mask where they are not all as long."
            )
        labels = np.full(ids.shape, NOT_COUNTED, dtype=np.int64)
        there = mask[:, 1:] * mask[:, :-1]
        labels[:, :-1] = np.where(there > 0, ids[:, 1:], NOT_COUNTED)
        return replace(items, labels=labels)
    if items.labels is None and ids is not None and bool((mask == 0).any()):
        return replace(items, labels=np.where(mask > 0, UNKNOWN, NOT_COUNTED).astype(np.int64))
    return items


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
    if kind.has_classes:
        check_classes(items, 2 if kind.task is PredictionTask.LABELS else answers)
    counted = labels[labels != NOT_COUNTED] if kind.task is PredictionTask.TOKENS else labels
    least = UNKNOWN if kind.task is PredictionTask.TOKENS else 0
    if kind.has_classes and int(counted.min(initial=0)) < least:
        raise Refused(
            "The labels go down to {low}; classes are numbered from 0, and {left} marks what is not judged.",
            low=int(counted.min()),
            left=NOT_COUNTED,
        )


_FORMS = {
    PredictionTask.CLASSIFICATION: "[N], one whole number for each item",
    PredictionTask.LABELS: "[N, labels], 0 or 1 for each label",
    PredictionTask.REGRESSION: "[N] or [N, values], real numbers",
    PredictionTask.TOKENS: "[N, places], one whole number for each place",
    PredictionTask.EMBEDDING: "left out: vectors are compared with the original's",
}


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
            "For {task} the labels must be {wanted}, but they are {dtype} {got}: save them so, or say what "
            "is asked of the network ({tasks}).",
            task=kind.task.value,
            wanted=_FORMS[kind.task],
            dtype=str(labels.dtype),
            got=list(labels.shape),
            tasks="task=" + ", ".join(TASK_NAMES),
        )
