"""Symmetric uniform quantization."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import Unit
from compress_core.levels.grid import symmetric_grid
from compress_core.numerics.scale import Granularity, RowRanges, group_of, largest_kept
from compress_core.techniques.contract.results import Quantized
from compress_core.techniques.contract.technique import technique


@technique
def uniform(
    weight: Tensor,
    mask: Tensor,
    row_ranges: RowRanges,
    *,
    bits: Annotated[int, Field(ge=2, le=8, description="Bits for each weight."), Unit("bit")] = 8,
    granularity: Granularity = "per_channel",
) -> Quantized:
    """Round to evenly spaced levels, symmetric about zero, so that zero stays exactly zero.

    weight, mask [out, in]; 2**bits - 1 levels, the range is that of the kept weights.

    Jacob et al. 2018, arXiv:1712.05877, eq. 1 with zero point 0.
    """
    largest = largest_kept(weight, mask, granularity, row_ranges)
    return Quantized(symmetric_grid(largest, bits, group_of(granularity), clips=not row_ranges.all_kept))
