"""Items of somebody's own to train on: those of a file, kept as they came until something trains."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from compress_core.foundation.errors import Refused
from compress_core.foundation.store import digest
from compress_core.loading.class_names import with_known_classes
from compress_core.loading.item_splits import fitting
from compress_core.loading.items import ItemInputs, Items
from compress_core.loading.read_items_told import telling_how_read
from compress_core.loading.user_model import check_places
from compress_core.subject.answer_kind import PredictionTask
from compress_core.subject.input_form import InputForm
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.subject.training_items import TRAINING, TrainingItems

JUDGED = ("validation", "test")
"""Splits on which a model is chosen and reported; nothing is trained on their items."""

_ROWS = 500


@dataclass(frozen=True, eq=False)
class OwnTrainingItems(TrainingItems):
    """Items in the shape that the network takes, else as they came: bytes are a quarter of what it is fed."""

    items: Items

    @property
    def nbytes(self) -> int:
        """Bytes of the items as they came."""
        labels = self.items.labels
        return self.items.inputs.nbytes + (0 if labels is None else labels.nbytes)


def with_training(subject: Subject, items: Items) -> Subject:
    """The same model with items to train on; what it is judged on stays.

    Raises Refused where the items have no labels, don't fit the model, or where some are among the items on
    which it is judged.
    """
    items = with_known_classes(items, subject.classes)
    with telling_how_read(items):
        fitted = fitting(items, subject.input, len(subject.classes), subject.answers)
    if fitted.labels is None and subject.task is not PredictionTask.EMBEDDING:
        raise Refused(
            "The training items have no labels, and {model} learns nothing without them: save them in one "
            ".npz file with inputs, and labels [N] that are whole numbers from 0.",
            model=subject.title,
        )
    labels = _labels_of(fitted)
    check_places([Split(TRAINING, torch.empty(len(fitted.inputs), 0), labels)], subject)
    _refuse_judged(fitted.inputs, subject)
    told = replace(subject.remarks_on, training=items.remarks)
    return replace(subject, training=own_training(fitted, subject.input), remarks_on=told)


def own_training(items: Items, form: InputForm) -> OwnTrainingItems:
    """Items in the shape of the form, which were looked at already; those of an embedding have no labels."""
    content = hashlib.sha256(f"{items.inputs.dtype} {items.inputs.shape}".encode())
    content.update(np.ascontiguousarray(items.inputs).data)
    if items.labels is not None:
        content.update(np.ascontiguousarray(items.labels).data)
    key = digest(TRAINING, content.hexdigest(), form)
    return OwnTrainingItems(key, len(items.inputs), partial(_prepared, items, form, key), items)


def _prepared(items: Items, form: InputForm, key: str) -> Split:
    return Split(TRAINING, form.prepared(items.inputs), _labels_of(items), key)


def _labels_of(items: Items) -> torch.Tensor | None:
    return None if items.labels is None else torch.from_numpy(items.labels)


def _refuse_judged(inputs: ItemInputs, subject: Subject) -> None:
    """Refuse inputs [N, ...] of which some are, as the network sees them, bit for bit those of a split."""
    judged = {name: set(_rows(subject.splits[name].inputs)) for name in JUDGED if name in subject.splits}
    if not judged:
        return
    given = [row for part in _parts(inputs) for row in _rows(subject.input.prepared(part))]
    for split, rows in judged.items():
        found = sum(row in rows for row in given)
        if found:
            raise Refused(
                "{found:,} of the {total:,} training items are also among the {split} items, on which "
                "{model} is judged: splits stay apart, so leave these out of the file.",
                found=found,
                total=len(given),
                split=split,
                model=subject.title,
            )


def _parts(inputs: ItemInputs) -> Iterator[ItemInputs]:
    """The inputs, some rows at a time: prepared all at once they would take four times their memory."""
    return (inputs[at : at + _ROWS] for at in range(0, len(inputs), _ROWS))


def _rows(prepared: torch.Tensor) -> Iterator[bytes]:
    """What tells each item of [N, ...]."""
    return (hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in prepared.numpy())
