"""How the inputs of a layer go together."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from compress_core.statistics import statistic


def second_moment(inputs: Iterable[Tensor]) -> Tensor:
    """Mean of x x^T over all items and positions, [groups, in * k, in * k] float64.

    inputs: batch by batch [groups, positions, in * k].
    """
    total: Tensor | float = 0.0
    count = 0
    for batch in inputs:
        exact = batch.double()
        total = total + exact.mT @ exact
        count += batch.shape[1]
    return torch.as_tensor(total) / max(1, count)


@statistic
def hessian(inputs: Iterable[Tensor]) -> Tensor:
    """Mean of x x^T of what the layer reads in the original, [groups, in * k, in * k] float64.

    The squared error of a layer's output under a change D of its weight is the trace of D moment D^T.
    """
    return second_moment(inputs)
