"""Symmetric uniform quantization."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import Unit
from compress_core.levels.grid import full_grid, symmetric_grid
from compress_core.numerics.scale import Granularity, NarrowRange, RowRanges, group_of, range_of_kept
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
    narrow_range: NarrowRange = False,
) -> Quantized:
    """Round to evenly spaced levels on both sides of zero, so that zero stays exactly zero.

    weight, mask [out, in]; 2**bits levels, one more below zero than above, or 2**bits - 1 in the narrow
    range; as fine as they can be without clipping a kept weight.

    Jacob et al. 2018, arXiv:1712.05877, eq. 1 with zero point 0.
    """
    low, high = range_of_kept(weight, mask, granularity, row_ranges)
    group, clips = group_of(granularity), not row_ranges.all_kept
    if narrow_range:
        return Quantized(symmetric_grid(high.maximum(-low), bits, group, clips=clips))
    return Quantized(full_grid(low, high, bits, group, clips=clips))
