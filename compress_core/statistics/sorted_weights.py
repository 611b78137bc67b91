"""The kept weights of a layer in ascending order, with their running sums."""

from __future__ import annotations

from torch import Tensor

from compress_core.numerics.codebook import Ordered, ordered
from compress_core.statistics import statistic


@statistic
def sorted_weights(weight: Tensor, mask: Tensor) -> Ordered:
    """All kept weights of a layer as one row, sorted: any interval's mean is then a look-up.

    weight, mask [out, in].
    """
    return ordered(weight.reshape(1, -1), mask.reshape(1, -1))
