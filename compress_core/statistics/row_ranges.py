"""The range of the kept weights of each row."""

from __future__ import annotations

from torch import Tensor

from compress_core.numerics.scale import RowRanges
from compress_core.statistics import statistic


@statistic
def row_ranges(weight: Tensor, mask: Tensor) -> RowRanges:
    """Smallest and largest kept weight of each row: another bit width is then a division.

    weight, mask [out, in].
    """
    return RowRanges.of(weight, mask)
