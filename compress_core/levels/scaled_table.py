"""A table that all weights share, times a scale of their own for each group of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.levels.spread import spread
from compress_core.numerics.nearest import nearest_into


@dataclass(frozen=True)
class ScaledTable:
    """Levels table[code] * scale; table [L] ascends and reaches from -1 to 1 at most.

    scale [1, 1], [out, 1] or [out, groups], positive.
    """

    table: Tensor
    scale: Tensor
    group: int | None = None

    @property
    def low(self) -> int:
        return 0

    @property
    def high(self) -> int:
        return len(self.table) - 1

    @property
    def code_bits(self) -> int:
        return max(1, self.high.bit_length())

    @property
    def has_zero(self) -> bool:
        return bool((self.table == 0).any())

    def encode(self, weight: Tensor) -> Tensor:
        """Codes [out, in] int16 of the nearest levels; halfway goes to the lower one."""
        codes = torch.arange(len(self.table), dtype=torch.float32)
        return self._nearest_into(weight, codes, torch.empty_like(weight)).to(torch.int16)

    def decode(self, codes: Tensor) -> Tensor:
        """Values [out, in] float32 of codes."""
        return self.table[codes.long()].mul_(spread(self.scale, codes.shape[1], self.group))

    def quantize_into(self, weight: Tensor, out: Tensor) -> Tensor:
        """Write the nearest level of each weight [out, in] into `out` [out, in]."""
        self._nearest_into(weight, self.table, out)
        return out.mul_(spread(self.scale, weight.shape[1], self.group))

    def _nearest_into(self, weight: Tensor, meaning: Tensor, out: Tensor) -> Tensor:
        """Write meaning[code] of each weight; a quotient: the reciprocal of a huge scale loses digits."""
        return nearest_into(
            weight / spread(self.scale, weight.shape[1], self.group), self.table, meaning, out
        )

    def stored(self) -> dict[str, Tensor]:
        """What a file needs beside the codes."""
        return {"table": self.table, "scale": self.scale.to(torch.float32)}

    def levels(self, row: int = 0) -> Tensor:
        """All levels of one row's first group, ascending [L]."""
        return self.table * self.scale[min(row, self.scale.shape[0] - 1), 0]
