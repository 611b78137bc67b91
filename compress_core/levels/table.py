"""A codebook: levels that lie anywhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.numerics.nearest import nearest_into, upper_ends


@dataclass(frozen=True)
class Table:
    """A codebook: any levels, ascending, for the whole layer [1, L] or for each row [out, L]."""

    table: Tensor

    @property
    def low(self) -> int:
        return 0

    @property
    def high(self) -> int:
        return self.table.shape[1] - 1

    @property
    def code_bits(self) -> int:
        return max(1, self.high.bit_length())

    @property
    def has_zero(self) -> bool:
        return bool((self.table == 0).any(dim=1).all())

    def encode(self, weight: Tensor) -> Tensor:
        """Codes [out, in] int16 of the nearest levels; halfway goes to the lower one."""
        if self.table.shape[0] > 1:
            return torch.searchsorted(upper_ends(self.table), weight.contiguous(), out_int32=True).to(
                torch.int16
            )
        codes = torch.arange(self.table.shape[1], dtype=torch.float32)
        return nearest_into(weight, self.table[0], codes, torch.empty_like(weight)).to(torch.int16)

    def decode(self, codes: Tensor) -> Tensor:
        """Values [out, in] float32 of codes."""
        if self.table.shape[0] == 1:
            return self.table[0][codes.long()]
        return self.table.gather(1, codes.long())

    def quantize_into(self, weight: Tensor, out: Tensor) -> Tensor:
        """Write the nearest level of each weight [out, in] into `out` [out, in]."""
        if self.table.shape[0] > 1:
            return out.copy_(self.decode(self.encode(weight)))
        return nearest_into(weight, self.table[0], self.table[0], out)

    def stored(self) -> dict[str, Tensor]:
        """What a file needs beside the codes."""
        return {"table": self.table}

    def levels(self, row: int = 0) -> Tensor:
        """The levels of one row, ascending [L]."""
        return self.table[min(row, self.table.shape[0] - 1)]
