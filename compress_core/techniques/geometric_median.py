"""Choosing filters by their distance from all others."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.techniques.contract.results import ChannelScores
from compress_core.techniques.contract.technique import technique

_AT_ONCE = 256  # rows whose distances are held at a time


@technique
def geometric_median(rows: Tensor) -> ChannelScores:
    """A filter that lies in the midst of the others can be replaced by them: it goes first.

    rows [units, weights], the weight of each unit -> scores [units], the sum of its distances to all
    units, in the scale of the largest weight.

    He et al. 2019, Filter Pruning via Geometric Median, arXiv:1811.00250, eq. 4.
    """
    largest = rows.abs().max()
    exact = (rows / torch.where(largest > 0, largest, 1.0)).double()
    parts = [torch.cdist(part, exact).sum(1) for part in torch.split(exact, _AT_ONCE)]
    return ChannelScores(torch.cat(parts).float())
