"""Whether two networks answer the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def largest_difference(one: Any, other: Any) -> float:
    """The largest difference between two outputs; 0 where both are the same but no numbers."""
    if not isinstance(one, Tensor) or not one.numel():
        return 0.0
    one, other = one.double(), other.double()
    same = (one == other) | (one.isnan() & other.isnan())  # two infinities have no difference
    return float(torch.where(same, 0.0, (one - other).abs()).max())


def is_close(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two outputs differ by at most a share of the largest finite number among them."""
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return type(one) is type(other) and bool(one == other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    finite = one[one.isfinite()].double().abs()
    return largest_difference(one, other) <= tolerance * max(
        1.0, float(finite.max()) if finite.numel() else 0.0
    )
