"""Items as the splits of a model: which are judged, which are set apart to calibrate on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from compress_core.foundation.errors import Refused
from compress_core.loading.asked_answers import check_labels, with_asked_labels
from compress_core.loading.items import Items, fit_to
from compress_core.loading.network_form import refuse_other_fields
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.input_form import InputForm
from compress_core.subject.split import Split
from compress_core.subject.subject import ITEMS_TO_SHARE

_MOST_SET_APART = 512


def splits_of(
    items: Items, form: InputForm, classes: int, kind: AnswerKind = AnswerKind.SCORES
) -> dict[str, Split]:
    """Items as the validation split; from 200 on, one in ten (at most 512) is for calibration instead.

    Which ones is drawn with a fixed seed. Techniques measure on the items set apart, and no accuracy
    is reported on them. Raises Refused where the items don't fit.
    """
    return splits_of_parts(*set_apart(items), form, classes, kind)


def splits_of_parts(
    judged: Items | None,
    apart: Items | None,
    form: InputForm,
    classes: int,
    kind: AnswerKind = AnswerKind.SCORES,
) -> dict[str, Split]:
    """The same of items that are divided already; either part may be missing."""
    named = {"validation": judged, "calibration": apart}
    found = {n: split_of(items, form, classes, kind) for n, items in named.items() if items is not None}
    return {name: replace(split, name=name) for name, split in found.items()}


def judged_items(items: Items) -> Items:
    """The items that a model is judged on, without those that are set apart to calibrate on."""
    return set_apart(items)[0]


def set_apart(items: Items) -> tuple[Items, Items | None]:
    """The items to judge on and those to calibrate on, None where there are too few."""
    total = len(items.inputs)
    if total < ITEMS_TO_SHARE:
        return items, None
    drawn = torch.randperm(total, generator=torch.Generator().manual_seed(0)).numpy()
    count = min(_MOST_SET_APART, total // 10)
    apart, judged = np.sort(drawn[:count]), np.sort(drawn[count:])
    return items_at(items, judged), items_at(items, apart)


def items_at(items: Items, which: NDArray[np.int64]) -> Items:
    """Items by their numbers [n], with their labels."""
    labels = None if items.labels is None else items.labels[which]
    return replace(items, inputs=items.inputs[which], labels=labels)


def split_of(items: Items, form: InputForm, classes: int, kind: AnswerKind = AnswerKind.SCORES) -> Split:
    """Items in the form that the network takes, as the validation split; raises Refused."""
    fitted = fitting(items, form, classes, kind)
    labels = None if fitted.labels is None else torch.from_numpy(fitted.labels)
    return Split("validation", form.prepared(fitted.inputs), labels)


def fitting(items: Items, form: InputForm, classes: int, kind: AnswerKind = AnswerKind.SCORES) -> Items:
    """Items [N, *form.shape] that are not prepared yet; raises Refused where they don't fit the network."""
    if not len(items.inputs):
        raise Refused("There are no items here: give an array of one item at least, [N, ...] with N from 1.")
    refuse_other_fields(items, form)
    fitted = fit_to(with_asked_labels(items, form, kind), form.shape)
    check_labels(fitted, kind, classes)
    _check_scale(fitted, form)
    return fitted


def _check_scale(items: Items, form: InputForm) -> None:
    """Images for a network that scales them itself must not have been scaled before."""
    scales = form.is_image and (any(form.mean) or any(std != 1 for std in form.std))
    if not scales or items.inputs.dtype == "uint8":
        return
    low, high = float(items.inputs.min()), float(items.inputs.max())
    if low < 0 or high > 1:
        raise Refused(
            "The images hold numbers from {low:g} to {high:g}, but this architecture takes bytes (uint8, "
            "0 to 255) or numbers from 0 to 1: save them before any normalization.",
            low=low,
            high=high,
        )
