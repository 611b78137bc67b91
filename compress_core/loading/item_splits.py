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
    is reported on them. Raises Refused where the items don't fit, and speaks of all of them then.
    """
    return splits_of_parts(*set_apart(items_asked(items, form, classes, kind)), form)


def splits_of_parts(judged: Items | None, apart: Items | None, form: InputForm) -> dict[str, Split]:
    """The same of items that are divided already, after `items_asked`; either part may be missing."""
    named = {"validation": judged, "calibration": apart}
    found = {n: prepared_split(items, form) for n, items in named.items() if items is not None}
    return {name: replace(split, name=name) for name, split in found.items()}


def set_apart(items: Items) -> tuple[Items, Items | None]:
    """The items to judge on and those to calibrate on, None where there are too few."""
    total = len(items.inputs)
    if total < ITEMS_TO_SHARE:
        return items, None
    judged, apart = numbers_of_parts(total, min(_MOST_SET_APART, total // 10))
    judged_items, apart_items = (replace(items_at(items, at), numbers=at) for at in (judged, apart))
    return judged_items, apart_items


def numbers_of_parts(total: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of the items that are judged [total - count] and of those set apart [count].

    As every release drew them: models that an earlier one kept are numbered by it.
    """
    drawn = torch.randperm(total, generator=torch.Generator().manual_seed(0)).numpy()
    return np.sort(drawn[count:]), np.sort(drawn[:count])


def items_at(items: Items, which: NDArray[np.int64]) -> Items:
    """Items by their numbers [n], with their labels."""
    labels = None if items.labels is None else items.labels[which]
    return replace(items, inputs=items.inputs[which], labels=labels)


def split_of(items: Items, form: InputForm, classes: int, kind: AnswerKind = AnswerKind.SCORES) -> Split:
    """Items in the form that the network takes, as the validation split; raises Refused."""
    return prepared_split(items_asked(items, form, classes, kind), form)


def prepared_split(items: Items, form: InputForm) -> Split:
    """The same of items that were looked at before."""
    fitted = fit_to(items, form.shape)
    labels = None if fitted.labels is None else torch.from_numpy(fitted.labels)
    return Split("validation", form.prepared(fitted.inputs), labels, numbers=items.numbers)


def fitting(items: Items, form: InputForm, classes: int, kind: AnswerKind = AnswerKind.SCORES) -> Items:
    """Items [N, *form.shape] that are not prepared yet; raises Refused where they don't fit the network."""
    return fit_to(items_asked(items, form, classes, kind), form.shape)


def items_asked(items: Items, form: InputForm, classes: int, kind: AnswerKind = AnswerKind.SCORES) -> Items:
    """All items of a file with the labels that are asked for; raises Refused where they don't fit.

    They are looked at before any are set apart: what a refusal counts is what the file holds.
    """
    if not len(items.inputs):
        raise Refused("There are no items here: give an array of one item at least, [N, ...] with N from 1.")
    refuse_other_fields(items, form)
    asked = with_asked_labels(items, form, kind)
    fit_to(items_at(asked, np.arange(1)), form.shape)  # of all it would copy them
    check_labels(asked, kind, classes)
    _check_scale(asked, form)
    return asked


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
