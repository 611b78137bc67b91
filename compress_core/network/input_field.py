"""One of the inputs that a network takes by name, and items of all of them as rows. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.errors import Refused

FieldKind = Literal["real", "whole", "truth"]
EXACT_IN_FLOAT32 = 2**24
"""Whole numbers below it stand exactly in a row of 32-bit floating point."""


@dataclass(frozen=True)
class InputField:
    """One input of a network.

    name: of the argument, empty for the only one of a network; shape: of one item; kind: real numbers, whole
    ones such as those of words, or truth values; values: how many whole numbers there are, from 0; blank: the
    number of an input without content; cover: the number that hides a word, where there is one of its own.
    """

    name: str
    shape: tuple[int, ...]
    kind: FieldKind = "real"
    values: int = 2
    blank: int = 0
    cover: int | None = None

    @property
    def width(self) -> int:
        """Numbers of one item."""
        return prod(self.shape)


def is_whole(fields: Sequence[InputField]) -> bool:
    """Whether rows of these fields hold nothing but whole numbers, and are kept as such."""
    return bool(fields) and all(field.kind != "real" for field in fields)


def rows_of(fields: Sequence[InputField], arrays: Mapping[str, NDArray[np.generic]]) -> NDArray[np.generic]:
    """Arrays [N, *shape] by name as rows [N, numbers of all fields].

    Raises Refused for whole numbers that would not stand exactly beside real ones.
    """
    whole = is_whole(fields)
    parts = [arrays[field.name].reshape(len(arrays[field.name]), -1) for field in fields]
    for field, part in zip(fields, parts, strict=True):
        if not whole and field.kind == "whole" and part.size and int(np.abs(part).max()) >= EXACT_IN_FLOAT32:
            raise Refused(
                "The input {field} holds {got}: beside inputs of real numbers whole ones must be below "
                "{most}. Number them from 0.",
                field=field.name,
                got=int(np.abs(part).max()),
                most=EXACT_IN_FLOAT32,
            )
    kind = np.int64 if whole else np.float32
    return np.concatenate([part.astype(kind) for part in parts], axis=1)
