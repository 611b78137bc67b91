"""Sizes of tensors that hold for any number of items: a whole number, or so many for each item."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PerItem:
    """`times` for each item of the batch: with 8 items PerItem(2) is 16. Reckoned with as a number."""

    times: int

    def __mul__(self, other: Any) -> PerItem:
        if isinstance(other, PerItem):
            raise BatchSizeError
        return PerItem(self.times * int(other))

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        divisor = other.times if isinstance(other, PerItem) else int(other)
        if divisor == 0 or self.times % divisor:
            raise BatchSizeError
        return self.times // divisor if isinstance(other, PerItem) else PerItem(self.times // divisor)

    def _refused(self, *_: Any) -> Any:
        raise BatchSizeError

    __add__ = __radd__ = __sub__ = __rsub__ = __mod__ = __neg__ = __rfloordiv__ = __pow__ = _refused
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __bool__ = __index__ = _refused


class BatchSizeError(ValueError):
    """A file reckons with the number of items in a way that does not hold for any number of them."""


Size = int | PerItem
Shape = tuple[Size, ...]


def is_per_item(size: object) -> bool:
    return isinstance(size, PerItem)


def per_item(size: Size) -> int:
    """How many of a size belong to one item."""
    return size.times if isinstance(size, PerItem) else size


def values_for_one(shape: Shape) -> int:
    """The values of a tensor for one item."""
    return math.prod(map(per_item, shape))


def product(sizes: Iterable[Size]) -> tuple[int, int]:
    """The product of sizes, and how often the number of items is a factor of it."""
    listed = list(sizes)
    return math.prod(map(per_item, listed)), sum(map(is_per_item, listed))


def whole(size: Size) -> int:
    """A size that does not depend on the number of items; raises BatchSizeError for another."""
    if isinstance(size, PerItem):
        raise BatchSizeError
    return size


def broadcast(*shapes: Shape) -> Shape:
    """The shape of what becomes of tensors that are spread over one another.

    Raises BatchSizeError where that is so for one number of items only, ValueError where it is for none.
    """
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(_spread(sizes) for sizes in zip(*padded, strict=True))


def _spread(sizes: Sequence[Size]) -> Size:
    kinds = list(dict.fromkeys(size for size in sizes if size != 1))
    if len(kinds) > 1:
        raise BatchSizeError if any(map(is_per_item, kinds)) else ValueError(str(kinds))
    return kinds[0] if kinds else 1


def size_vector(sizes: Sequence[Size]) -> NDArray[Any]:
    """Sizes [n] as the values of a tensor: whole numbers where none depends on the number of items."""
    if any(map(is_per_item, sizes)):
        vector = np.empty(len(sizes), dtype=object)
        vector[:] = list(sizes)
        return vector
    return np.array(sizes, dtype=np.int64)


def without_items(values: NDArray[Any]) -> NDArray[Any]:
    """Values of any shape as whole numbers again, where none depends on the number of items any more."""
    if values.dtype == object and not any(map(is_per_item, values.reshape(-1).tolist())):
        return values.astype(np.int64)
    return values
