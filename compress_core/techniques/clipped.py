"""Symmetric uniform quantization that clips the rarest weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import Unit
from compress_core.levels.grid import full_grid, symmetric_grid
from compress_core.numerics.clipping import best_share
from compress_core.numerics.scale import (
    Granularity,
    NarrowRange,
    RowRanges,
    group_of,
    range_of_kept,
    sharing,
)
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
    narrow_range: NarrowRange = False,
) -> Quantized:
    """Round to evenly spaced levels and clip the largest weights where that makes the others finer.

    weight, mask [out, in]; the levels are those of `uniform` over the range of the least squared error
    among some fifty down to a thousandth of the largest kept weight. The range without clipping is among
    them: no squared error is above that of `uniform`.

    Nagel et al. 2021, A White Paper on Neural Network Quantization, arXiv:2106.08295, section 3.1.
    """
    low, high = range_of_kept(weight, mask, granularity, row_ranges)
    group = group_of(granularity)
    whole = (
        symmetric_grid(high.maximum(-low), bits, group) if narrow_range else full_grid(low, high, bits, group)
    )
    rows = sharing(weight if row_ranges.all_kept else weight * mask, granularity)
    share = best_share(rows / whole.scale.reshape(-1, 1), whole.low, whole.high)
    finest = torch.finfo(weight.dtype).tiny
    scale = (whole.scale * share.view_as(whole.scale)).clamp_min(finest)
    return Quantized(replace(whole, scale=scale, clips=True))
