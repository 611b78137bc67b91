"""How strongly each input of a layer is used."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from compress_core.statistics import statistic


@statistic
def input_norm(inputs: Iterable[Tensor]) -> Tensor:
    """L2 norm of every input of a layer over all items and positions [groups, in * k] float32.

    inputs: batch by batch [groups, positions, in * k]; squares add up in float64.
    """
    total: Tensor | float = 0.0
    for batch in inputs:
        total = total + batch.double().square().sum(dim=1)
    return torch.as_tensor(total).sqrt().clamp_max(torch.finfo(torch.float32).max).float()
