"""Zero and plus or minus powers of two."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.levels.spread import spread


@dataclass(frozen=True)
class Exponential:
    """Zero and plus or minus 2**e, for the `count` exponents that end at `top`.

    top [1, 1], [out, 1] or [out, groups], whole numbers. Code 0 is zero; code +-c is 2**(top - count + c).
    """

    top: Tensor
    count: int
    group: int | None = None

    @property
    def low(self) -> int:
        return -self.count

    @property
    def high(self) -> int:
        return self.count

    @property
    def code_bits(self) -> int:
        return (2 * self.count).bit_length()

    @property
    def has_zero(self) -> bool:
        return True

    def encode(self, weight: Tensor) -> Tensor:
        """Codes [out, in] int16 of the nearest levels (in the value, not in the exponent)."""
        mantissa, exponent = torch.frexp(weight.abs())
        nearest = exponent - (mantissa < 0.75).to(exponent.dtype)
        step = nearest - (spread(self.top, weight.shape[1], self.group) - self.count)
        lowest_up = (step == 0) & (weight != 0)
        code = torch.where(lowest_up & self._above_half(weight), 1, step.clamp(0, self.count))
        code = torch.where(weight == 0, 0, code)
        return (code * weight.sign()).to(torch.int16)

    def _above_half(self, weight: Tensor) -> Tensor:
        """Whether |weight| is nearer to the smallest level than to zero."""
        smallest = spread(self.top, weight.shape[1], self.group) - self.count + 1
        return weight.abs() >= torch.ldexp(torch.ones_like(weight), smallest - 1)

    def decode(self, codes: Tensor) -> Tensor:
        """Values [out, in] float32 of codes."""
        exponent = spread(self.top, codes.shape[1], self.group) - self.count + codes.abs()
        return torch.ldexp(codes.sign().to(torch.float32), exponent)

    def quantize_into(self, weight: Tensor, out: Tensor) -> Tensor:
        """Write the nearest level of each weight [out, in] into `out` [out, in]."""
        return out.copy_(self.decode(self.encode(weight)))

    def stored(self) -> dict[str, Tensor]:
        """What a file needs beside the codes: the largest exponents, a byte each."""
        return {"top": self.top.to(torch.int8)}

    def levels(self, row: int = 0) -> Tensor:
        """All levels of one row's first group, ascending [2 * count + 1]."""
        at = min(row, self.top.shape[0] - 1)
        codes = torch.arange(-self.count, self.count + 1)[None]
        return Exponential(self.top[at : at + 1, :1], self.count).decode(codes)[0]


def exponential_levels(largest: Tensor, bits: int, group: int | None = None) -> Exponential:
    """Zero and +-2**e for 2**(bits - 1) - 1 exponents e; the highest is the power nearest to `largest`.

    largest [1, 1], [out, 1] or [out, groups]: one for the weights that share a scale.
    """
    mantissa, exponent = torch.frexp(largest)
    nearest = exponent - (mantissa < 0.75).to(exponent.dtype)
    return Exponential(nearest.clamp(-128, 127), 2 ** (bits - 1) - 1, group)
