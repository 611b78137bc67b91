"""Which level each weight has while it learns, and where between two levels it lies unrounded."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class WeightCodes:
    """Evenly spaced levels of a weight [out, in], counted from the level zero.

    level [out, in]: whole numbers from lowest to highest; place [out, in]: the same before rounding, within
    the ends of each scale, differentiable; kept [out, in] bool: which weights are not pruned.
    """

    level: Tensor
    place: Tensor
    kept: Tensor
    lowest: int
    highest: int
