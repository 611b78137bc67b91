"""Biases on a grid whose step is a power of two, which the packed file stores as small whole numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.training.weight_codes import WeightCodes

_SMALLEST_EXPONENT = -40  # of a step: a bias that is all zeros has none of its own


@dataclass(frozen=True)
class PowerOfTwoGrid:
    """The finest grid of 2**bits - 1 levels around zero whose step is a power of two and that reaches all.

    bits: 2 at least. The step follows the values as they are; nothing of it learns.
    """

    bits: int

    @property
    def highest(self) -> int:
        """The largest multiple of the step that there is."""
        return int(2 ** (self.bits - 1) - 1)

    def step(self, values: Tensor) -> float:
        """The step for values [n]."""
        largest = float(values.detach().abs().max()) / self.highest
        exponent = math.ceil(math.log2(largest)) if largest > 0 else _SMALLEST_EXPONENT
        return 2.0 ** max(exponent, _SMALLEST_EXPONENT)

    def rounded(self, values: Tensor) -> Tensor:
        """Each value [n] at its nearest level, with the gradient as if it were not rounded.

        Straight through, as Bengio et al. 2013, arXiv:1308.3432.
        """
        step = self.step(values)
        levels = (values.detach() / step).round() * step
        return levels + (values - values.detach())  # the difference is exactly zero

    def codes(self, values: Tensor) -> WeightCodes:
        """The levels of values [n] as a weight of one row [1, n]."""
        place = (values / self.step(values)).unsqueeze(0)
        level = place.detach().round()
        return WeightCodes(
            level, place, torch.ones_like(level, dtype=torch.bool), -self.highest, self.highest
        )
