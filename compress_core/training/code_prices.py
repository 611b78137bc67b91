"""What a weight's code costs in bits, in a model that gradients pass through.

The model has the main effects of what the packed file's coder looks at: how many weights of the row and of
the column are not zero, and how often each level occurs among those. A weight is charged for the level it
has; between two levels its price changes evenly, which is what the gradient says.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from compress_core.training.weight_codes import WeightCodes

_BORROWED = 128.0  # weights: so much of the whole layer stands behind the share of a row or a column


def modeled_bits(codes: WeightCodes) -> Tensor:
    """Bits of all codes of a weight [out, in]; the gradient leads places towards zero, by what that saves.

    A step towards zero saves the difference of two prices, and no less than where sizes of levels fell off
    evenly around the same mean: where zero is rare, and dear for that, weights would be led away from it
    otherwise. A level that lies exactly on its place is led nowhere. Straight through, as Bengio et al. 2013,
    arXiv:1308.3432; a price is the logarithm of a share: Shannon 1948, section 9.
    """
    at_zero, beside_zero, of_level = _prices(codes)

    def price(level: Tensor) -> Tensor:
        listed = of_level[(level - codes.lowest).long()]
        return torch.where(level == 0, at_zero, beside_zero + listed)

    place = codes.place.detach()
    below = place.floor().clamp(codes.lowest, max(codes.lowest, codes.highest - 1))
    outwards = torch.where(below >= 0, 1.0, -1.0)
    saved = outwards * (price(below + 1) - price(below))
    slope = outwards * torch.maximum(saved, _even_fall(codes)) * (place != codes.level)
    moved = codes.place - place  # exactly zero
    return ((price(codes.level) + slope * moved) * codes.kept).sum()


@torch.no_grad()
def _even_fall(codes: WeightCodes) -> Tensor:
    """Bits for each level away from zero [out, in], where shares fall off by one factor on both sides.

    The mean size m = 2 f / (1 - f^2) gives the factor f = (sqrt(1 + m^2) - 1) / m.
    """
    size = codes.level.abs() * codes.kept
    mean = (size.sum() + 0.5) / (codes.kept.sum() + 1)
    of_row, of_column = (
        (size.sum(axis, keepdim=True) + _BORROWED * mean) / (codes.kept.sum(axis, keepdim=True) + _BORROWED)
        for axis in (1, 0)
    )
    expected = of_row * of_column / mean
    return -torch.log2(expected / (1 + torch.sqrt(1 + expected.square())))


@torch.no_grad()
def _prices(codes: WeightCodes) -> tuple[Tensor, Tensor, Tensor]:
    """Bits for being zero and for not being zero, each [out, in], and beyond that for each level [levels]."""
    beside = (codes.level != 0) & codes.kept
    logit = _logits(beside.to(torch.float32), codes.kept.to(torch.float32))
    found = (codes.level[beside] - codes.lowest).long()
    counts = torch.bincount(found, minlength=codes.highest - codes.lowest + 1).to(torch.float32) + 0.5
    counts[-codes.lowest] = 0  # of zero there is no more to say
    of_level = -torch.log2(counts / counts.sum())
    return softplus(logit) / math.log(2), softplus(-logit) / math.log(2), of_level


def _logits(beside: Tensor, kept: Tensor) -> Tensor:
    """Log odds of not being zero [out, in]: those of the row and of the column, over those of the layer."""
    share = (beside.sum() + 0.5) / (kept.sum() + 1)
    of_row, of_column = (
        (beside.sum(axis, keepdim=True) + _BORROWED * share) / (kept.sum(axis, keepdim=True) + _BORROWED)
        for axis in (1, 0)
    )
    return of_row.logit() + of_column.logit() - share.logit()
