"""How strongly each input of a layer is used."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from compress_core.statistics import added_up, adds_up


class InputNorm:
    """L2 norm of every input over all items and positions [groups, in * k]; squares add up in float64."""

    def __init__(self) -> None:
        self._total: Tensor | None = None

    @staticmethod
    def nbytes(groups: int, columns: int) -> int:
        return 8 * groups * columns

    def add(self, batch: Tensor) -> None:
        """One more batch [groups, positions, in * k]."""
        power = batch.double().square().sum(dim=1)
        if self._total is None:
            self._total = torch.zeros_like(power)
        self._total += power

    def told(self) -> Tensor:
        """[groups, in * k] float32."""
        total = torch.zeros(()) if self._total is None else self._total
        return total.sqrt().clamp_max(torch.finfo(torch.float32).max).float()


@adds_up(InputNorm)
def input_norm(inputs: Iterable[Tensor]) -> Tensor:
    """L2 norm of every input of a layer over all items and positions [groups, in * k] float32.

    inputs: batch by batch [groups, positions, in * k]; squares add up in float64.
    """
    return added_up(InputNorm(), inputs)
