"""Symmetric uniform quantization that clips the rarest weights."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import Unit
from compress_core.levels.grid import symmetric_grid
from compress_core.numerics.clipping import best_share
from compress_core.numerics.scale import Granularity, RowRanges, group_of, largest_kept, sharing
from compress_core.techniques.contract.results import Quantized
from compress_core.techniques.contract.technique import technique


@technique
def clipped(
    weight: Tensor,
    mask: Tensor,
    row_ranges: RowRanges,
    *,
    bits: Annotated[int, Field(ge=2, le=8, description="Bits for each weight."), Unit("bit")] = 4,
    granularity: Granularity = "per_channel",
) -> Quantized:
    """Round to evenly spaced levels and clip the largest weights where that makes the others finer.

    weight, mask [out, in]; 2**bits - 1 levels, symmetric about zero; the range is the one of the least
    squared error among some fifty down to a thousandth of the largest kept weight. The full range is
    among them: no squared error is above that of `uniform`.

    Nagel et al. 2021, A White Paper on Neural Network Quantization, arXiv:2106.08295, section 3.1.
    """
    largest = largest_kept(weight, mask, granularity, row_ranges)
    rows = sharing(weight if row_ranges.all_kept else weight * mask, granularity)
    within = rows / largest.reshape(-1, 1).clamp_min(torch.finfo(weight.dtype).tiny)
    share = best_share(within, 2 ** (bits - 1) - 1).view_as(largest)
    return Quantized(symmetric_grid(largest * share, bits, group_of(granularity)))
