"""Items and labels in whatever form they are at hand, or one sentence that says why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from compress_core.face.checked_arguments import checked_name, checked_path, kind_of
from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import ItemKnobs
from compress_core.loading.idle_knobs import AnyItems
from compress_core.loading.items import checked_items
from compress_core.loading.own_file import LARGE_CAPS
from compress_core.loading.preprocessing import read_preprocessing
from compress_core.loading.text_items import text_items
from compress_core.loading.user_code import in_one_line

Array = NDArray[np.generic] | Tensor
Labels = Array | Sequence[int]


def items_from(items: object, labels: object) -> AnyItems | None:
    """Items [N, ...] with their labels [N] from arrays, or the file that holds both; raises Refused.

    Items may be several arrays by name, for a network that takes several inputs, or a list of texts.
    """
    if items is None or isinstance(items, str | Path):
        if labels is not None:
            raise Refused(
                "labels go with items given as an array [N, ...]: give both, or a file that holds both."
            )
        return None if items is None else checked_path(items)
    if isinstance(items, list) and items and isinstance(items[0], str):
        return text_items(items, labels if labels is None else list(labels))  # type: ignore[call-overload]  # checked there
    if isinstance(items, tuple):
        raise Refused(
            "items came as a tuple of {count}, but must be one array [N, ...]: "
            "give items and labels one after the other, load(model, items, labels).",
            count=len(items),
        )
    answers = None if labels is None else _plain(labels, "labels")
    if isinstance(items, Mapping):
        named = {str(name): _plain(values, str(name)) for name, values in items.items()}
        return checked_items(named, answers, caps=LARGE_CAPS)
    return checked_items(_plain(items, "items"), answers, caps=LARGE_CAPS)


def training_from(given: object) -> AnyItems | None:
    """Items to train on as a file, or from a pair of items [N, ...] and labels [N]; raises Refused."""
    match given:
        case None | str() | Path():
            return items_from(given, None)
        case (items, labels):
            return items_from(items, labels)
    raise Refused(
        "training is a file with inputs and labels, or a pair (items, labels), but got {got}: "
        "give one of these.",
        got=kind_of(given),
    )


def knobs_from(preprocessing: object, label_column: object) -> ItemKnobs:
    """What is said of a file of items; raises Refused."""
    how = "" if preprocessing is None else checked_name("preprocessing", preprocessing)
    column = None if label_column is None else checked_name("label_column", label_column)
    return ItemKnobs(read_preprocessing(how), column)


def _plain(values: object, name: str) -> NDArray[np.generic]:
    try:
        found: NDArray[np.generic] = (
            values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
        )
    except (TypeError, ValueError, RuntimeError) as error:
        raise Refused(
            "{name} must be one dense array of numbers, all rows as long, but got {got} ({reason}): "
            "make it one, a tensor with .to_dense().float().",
            name=name,
            got=_described(values),
            reason=in_one_line(error),
        ) from None
    if found.ndim == 0 and found.dtype == object:
        raise Refused(
            "{name} must be an array [N, ...], but got {got}: give a numpy array or a tensor.",
            name=name,
            got=kind_of(values),
        )
    return found


def _described(values: object) -> str:
    if isinstance(values, Tensor):
        return f"a tensor of {values.dtype}, {values.layout}".replace("torch.", "")
    return kind_of(values)
