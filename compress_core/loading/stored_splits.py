"""The splits that ship with the samples, prepared as their cards say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compress_core.loading.cards import CardInput
from compress_core.subject.input_form import InputForm
from compress_core.subject.split import Split

SPLITS = ("calibration", "validation", "test")


def input_form(said: CardInput) -> InputForm:
    """The input section of a card as the core uses it."""
    mean = said.mean if isinstance(said.mean, tuple) else (said.mean,)
    std = said.std if isinstance(said.std, tuple) else (said.std,)
    return InputForm(said.kind, said.shape, mean, std, said.features)


@lru_cache(maxsize=4)
def read_splits(path: str, form: InputForm) -> Mapping[str, Split]:
    """The splits in a file, once for all samples that prepare them in the same way."""
    with np.load(path, allow_pickle=False) as arrays:
        return {s: split_in(arrays, s, form, name=s) for s in SPLITS if f"{s}_inputs" in arrays}


def split_in(
    arrays: Mapping[str, NDArray[Any]], stored: str, form: InputForm, *, name: str, part_of: str = ""
) -> Split:
    """Items that are stored under one name, as a split of another; part_of: what tells them already."""
    labels = torch.from_numpy(arrays[f"{stored}_labels"]).to(torch.int64)
    return Split(name, form.prepared(arrays[f"{stored}_inputs"]), labels, part_of)
