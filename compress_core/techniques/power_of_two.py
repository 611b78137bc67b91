"""Quantization to powers of two."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import Unit
from compress_core.levels.exponential import exponential_levels
from compress_core.numerics.scale import Granularity, RowRanges, group_of, largest_kept
from compress_core.techniques.contract.results import Quantized
from compress_core.techniques.contract.technique import technique


@technique
def power_of_two(
    weight: Tensor,
    mask: Tensor,
    row_ranges: RowRanges,
    *,
    bits: Annotated[int, Field(ge=2, le=8, description="Bits for each weight."), Unit("bit")] = 4,
    granularity: Granularity = "per_tensor",
) -> Quantized:
    """Round to zero or to plus or minus a power of two, so that a product becomes a shift.

    weight, mask [out, in]; 2**bits - 1 levels, the largest is the power nearest to the largest kept
    weight. Rounds to the nearest value. The paper spends one of the bits on zero alone; here zero is
    one of the codes, which leaves room for smaller powers.

    Zhou et al. 2017, Incremental Network Quantization, arXiv:1702.03044, eq. 1 to 4.
    """
    largest = largest_kept(weight, mask, granularity, row_ranges)
    return Quantized(exponential_levels(largest, bits, group_of(granularity)))
