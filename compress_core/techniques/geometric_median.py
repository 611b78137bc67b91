"""Choosing filters by their distance from all others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from compress_core.techniques.contract.results import ChannelScores
from compress_core.techniques.contract.technique import technique

_AT_ONCE = 256  # rows whose distances are held at a time


@technique
def geometric_median(unit_weights: Sequence[Tensor]) -> ChannelScores:
    """A channel that lies in the midst of the others can be replaced by them: it goes first.

    unit_weights [units, weights] for each layer, those that make the units and those that read them ->
    scores [units], the sum of a unit's distances to all, in squared weights, which tell strong units from
    weak ones; the mean over the layers, in the scale of its own mean.

    He et al. 2019, Filter Pruning via Geometric Median, arXiv:1811.00250, eq. 4, as in torch-pruning.
    """
    largest = max(float(weights.abs().max()) for weights in unit_weights)
    distances = torch.stack([_distances(w.double() / (largest or 1.0)) for w in unit_weights]).mean(0)
    return ChannelScores((distances / distances.mean().clamp_min(torch.finfo(torch.float64).tiny)).float())


def _distances(weights: Tensor) -> Tensor:
    """The sum of the distances of each row's squares to those of all rows [rows]."""
    squares = weights.square()
    return torch.cat([torch.cdist(part, squares).sum(1) for part in torch.split(squares, _AT_ONCE)])
