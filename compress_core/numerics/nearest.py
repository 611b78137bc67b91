"""The nearest of a few levels for each of many weights: exactly, and faster than a search for each weight."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

_BLOCK = 2**16  # weights at a time, so that the passes stay in the cache
_FEW = 2**15  # below this a search for each weight is as fast
_NARROWEST, _WIDEST = 1e-30, 1e38


def upper_ends(levels: Tensor) -> Tensor:
    """The largest float32 that belongs to each level but the last; halfway goes to the lower level.

    levels [..., L] ascending -> [..., L - 1]: a weight is nearest to level i when i ends are below it.
    """
    exact = (levels[..., 1:].double() + levels[..., :-1].double()) / 2
    ends = exact.float()
    below = torch.nextafter(ends, torch.full_like(ends, -math.inf))
    return torch.where(ends.double() > exact, below, ends)


def nearest_into(weight: Tensor, levels: Tensor, meaning: Tensor, out: Tensor) -> Tensor:
    """Write meaning[i] for each weight into `out`, where i is the index of its nearest level.

    weight and out [out, in] float32, levels [L] ascending, meaning [L] float32.

    Weights fall into many equal bins, and a bin that lies between two ends stands for one level. The
    few weights in a bin with an end are searched for. Finding the bin is monotone in the weight,
    whatever its rounding, so that this is exact.
    """
    flat, target = weight.reshape(-1), out.view(-1)
    ends = upper_ends(levels)
    bins = min(2**16, 256 * len(levels))
    start, density = _bins_over(ends, bins)
    if len(flat) < _FEW or density == 0:
        target.copy_(meaning[torch.bucketize(flat, ends)])
        return out
    with_end = _bin_of(ends, start, density, bins).to(torch.int64)
    table = meaning[torch.bucketize(torch.arange(bins), with_end)]
    table[with_end] = math.nan
    for block, written in zip(torch.split(flat, _BLOCK), torch.split(target, _BLOCK), strict=True):
        torch.index_select(table, 0, _bin_of(block, start, density, bins), out=written)
    unsure = torch.from_numpy(np.flatnonzero(np.isnan(target.numpy())))
    target[unsure] = meaning[torch.bucketize(flat[unsure], ends)]
    return out


def _bins_over(ends: Tensor, bins: int) -> tuple[float, float]:
    """(start, bins for each unit) so that the ends and a margin around them are covered.

    0 bins for each unit where float32 has no room for them.
    """
    width = float(ends[-1]) - float(ends[0]) if len(ends) else 0.0
    if not _NARROWEST < width < _WIDEST:
        return 0.0, 0.0
    return float(ends[0]) - width / 32, bins / (width * 1.0625)


def _bin_of(weight: Tensor, start: float, density: float, bins: int) -> Tensor:
    return torch.sub(weight, start).mul_(density).clamp_(0, bins - 1).to(torch.int32)
