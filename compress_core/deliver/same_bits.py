"""Whether two tensors are the same to the last bit: a comparison by value takes -0.0 for 0.0."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Equal in type, shape and every bit, so that NaN is NaN and each zero has its sign; any shape."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(_bytes(one), _bytes(other))


def same_state(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """The same names with the same bits."""
    return one.keys() == other.keys() and all(same_bits(one[name], other[name]) for name in one)


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)
