"""Which subgroup each item belongs to: another array in the file of one's own items."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.errors import Refused
from compress_core.loading.item_splits import set_apart
from compress_core.loading.named import items_in
from compress_core.loading.numpy_file import read_array
from compress_core.loading.own_file import content_of_file, item_caps_for
from compress_core.loading.stored import shown
from compress_core.loading.zipped import open_zip

CALIBRATION = "calibration"


def refuse_other_number(groups: NDArray[np.str_], items: int) -> None:
    """Raises Refused where subgroups [N] are of other items than those that are judged."""
    if groups.size != items:
        raise Refused(
            "The group column speaks of {got:,} items, but {items:,} are judged: choose the split that the "
            "items of the file are in.",
            got=groups.size,
            items=items,
        )


def subgroups_in(path: Path, column: str, split: str) -> NDArray[np.str_]:
    """The subgroup of each item of a split [N], from the array of that name in an .npz file.

    Whole numbers, one for each item of the file, whichever split it is in. Raises Refused.
    """
    items = items_in(path)
    content = content_of_file(path)
    caps = item_caps_for(len(content))
    if not content.startswith(b"PK"):
        raise Refused(
            "{path} is no .npz file, so it has no column {column}.", path=path, column=shown(column)
        )
    archive = open_zip(content, most_members=64, most_bytes=caps.unpacked_bytes)
    if f"{column}.npy" not in archive.sizes:
        raise Refused(
            "{path} holds no array {column}; it holds {names}: name one of them.",
            path=path,
            column=shown(column),
            names=shown(", ".join(name.removesuffix(".npy") for name in sorted(archive.sizes))),
        )
    values = read_array(archive.read(f"{column}.npy"), column, caps)
    if values.shape != (len(items.inputs),) or values.dtype.kind not in "iub":
        raise Refused(
            "The array {column} has shape {shape} and type {dtype}; it must hold one whole number for each "
            "of the {items:,} items.",
            column=shown(column),
            shape=list(values.shape),
            dtype=str(values.dtype),
            items=len(items.inputs),
        )
    numbered = replace(items, labels=values.astype(np.int64))
    judged, apart = set_apart(numbered)
    found = apart if split == CALIBRATION and apart is not None else judged
    assert found.labels is not None, "they have just been set"
    return found.labels.astype(np.str_)
