"""Quantization to the quantiles of a Gaussian."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import Unit
from compress_core.levels.scaled_table import ScaledTable
from compress_core.numerics.scale import Granularity, RowRanges, group_of, largest_kept
from compress_core.techniques.contract.results import Quantized
from compress_core.techniques.contract.technique import technique


@technique
def normal_float(
    weight: Tensor,
    mask: Tensor,
    row_ranges: RowRanges,
    *,
    bits: Annotated[int, Field(ge=2, le=8, description="Bits for each weight."), Unit("bit")] = 4,
    granularity: Granularity = "per_channel",
) -> Quantized:
    """Round to levels that lie as densely as the weights of a Gaussian do; zero stays exactly zero.

    weight, mask [out, in]; 2**bits levels from -1 to 1, one more above zero than below, times the
    largest kept weight that shares the scale. The paper shares a scale among 64 weights (group:64).

    Dettmers et al. 2023, QLoRA, arXiv:2305.14314, section 3 and appendix E, for any number of bits.
    """
    largest = largest_kept(weight, mask, granularity, row_ranges)
    scale = largest.clamp_min(torch.finfo(weight.dtype).tiny)
    return Quantized(ScaledTable(gaussian_levels(bits), scale, group_of(granularity)))


def gaussian_levels(bits: int) -> Tensor:
    """Quantiles of a Gaussian for evenly spaced shares, each side for itself, from -1 to 1 [2**bits].

    The last share on each side lies half a level's share from its end, the mean of both sides.
    """
    count = 2**bits
    last = 1 - (1 / (2 * count) + 1 / (2 * (count - 1))) / 2
    above = torch.special.ndtri(torch.linspace(0.5, last, count // 2 + 1, dtype=torch.float64))
    below = torch.special.ndtri(torch.linspace(0.5, last, count // 2, dtype=torch.float64))
    return torch.cat([-below[1:].flip(0), above]).div_(above[-1]).float()
