"""Affine uniform quantization, with a zero point."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import Unit
from compress_core.levels.grid import affine_grid
from compress_core.numerics.scale import Granularity, RowRanges, group_of, range_of_kept
from compress_core.techniques.contract.results import Quantized
from compress_core.techniques.contract.technique import technique


@technique
def affine(
    weight: Tensor,
    mask: Tensor,
    row_ranges: RowRanges,
    *,
    bits: Annotated[int, Field(ge=2, le=8, description="Bits for each weight."), Unit("bit")] = 8,
    granularity: Granularity = "per_channel",
) -> Quantized:
    """Round to evenly spaced levels between the smallest and the largest weight; zero stays exactly zero.

    weight, mask [out, in]; 2**bits levels, the range is that of the kept weights widened to include 0,
    the zero point is one of the codes 0 to 2**bits - 1.

    Jacob et al. 2018, arXiv:1712.05877, eq. 1 and section 3.
    """
    smallest, largest = range_of_kept(weight, mask, granularity, row_ranges)
    return Quantized(affine_grid(smallest, largest, bits, group_of(granularity)))
