"""How the inputs of a layer go together."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from compress_core.statistics import added_up, adds_up


class SecondMoment:
    """Mean of x x^T over all items and positions, [groups, in * k, in * k] float64."""

    def __init__(self) -> None:
        self._total: Tensor | None = None
        self._count = 0

    @staticmethod
    def nbytes(groups: int, columns: int) -> int:
        return 8 * groups * columns**2

    def add(self, batch: Tensor) -> None:
        """One more batch [groups, positions, in * k]."""
        exact = batch.double()
        product = exact.mT @ exact
        if self._total is None:
            self._total = torch.zeros_like(product)
        self._total += product
        self._count += batch.shape[1]

    def told(self) -> Tensor:
        """[groups, in * k, in * k]."""
        return torch.zeros(()) if self._total is None else self._total / max(1, self._count)


@adds_up(SecondMoment)
def hessian(inputs: Iterable[Tensor]) -> Tensor:
    """Mean of x x^T of what the layer reads in the original, [groups, in * k, in * k] float64.

    The squared error of a layer's output under a change D of its weight is the trace of D moment D^T.
    """
    return added_up(SecondMoment(), inputs)
