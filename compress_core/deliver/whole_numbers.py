"""The codes of a weight with what they stand for, and what of a bias fits beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress_core.techniques.contract.input_rules import StaticGrid

LARGEST_SUM = 2**31 - 1  # what a kernel adds up in
_AIM = 2**30  # what the bias of a row of zeros becomes
_EXACT = 2**24  # a share below 1 / _EXACT is lost beside 1 in float32
_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True, eq=False)
class RoundedUse:
    """One use of a weight behind a rounded input: the grid, and the bias [out] that is added, if any."""

    grid: StaticGrid
    bias: NDArray[np.float32] | None

    @property
    def largest_code(self) -> int:
        """The largest departure of an input's code from the code of 0."""
        last: int = 2**self.grid.bits - 1
        return max(self.grid.zero_point, last - self.grid.zero_point)


@dataclass(frozen=True, eq=False)
class WholeNumbers:
    """The codes of a weight with what they stand for: (code - zero_point) * scale, a value for each row.

    codes [out, in * k] uint8; scale [out] or [1] float32; zero_point of the same shape uint8. Codes without
    a sign, because kernels for signed ones overflow on machines without a fitting instruction.
    """

    codes: NDArray[np.uint8]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.uint8]

    def scaled(self, factor: NDArray[np.float32]) -> WholeNumbers:
        """The same codes for rows that a folded norm scales: the factor goes into the scale.

        factor [out]; a negative one mirrors the codes of its row, a zero leaves codes for zero.
        """
        scale, zero = (np.broadcast_to(each, factor.shape).copy() for each in (self.scale, self.zero_point))
        codes = self.codes.astype(np.int16)
        for row in np.flatnonzero(factor < 0):
            around = 2 * int(zero[row])  # symmetric codes keep their zero point, others get another
            if codes[row].max() > around or codes[row].min() < around - 255:
                around = 255
            codes[row], zero[row] = around - codes[row], around - int(zero[row])
        scale = scale * np.abs(factor)
        nothing = scale == 0
        codes[nothing] = zero[nothing, None]
        scale[nothing] = 1
        return WholeNumbers(codes.astype(np.uint8), scale.astype(np.float32), zero.astype(np.uint8))

    def steps(self, use: RoundedUse) -> NDArray[np.float32]:
        """What one unit of a sum stands for in each row [out] or [1]: input scale x weight scale."""
        return np.float32(use.grid.scale) * self.scale

    def reach(self, use: RoundedUse) -> NDArray[np.int64]:
        """The largest sum that each row [out] can give, whatever the inputs are."""
        apart = np.abs(self.codes.astype(np.int64) - self.zero_point.astype(np.int64)[:, None])
        sums: NDArray[np.int64] = apart.sum(axis=1) * use.largest_code
        return sums

    def bias_codes(self, use: RoundedUse) -> NDArray[np.int32] | None:
        """The bias [out] in units of the sums; None where a kernel's 32 bits cannot hold it in some row."""
        too_wide = self._too_wide(use)
        if use.bias is None or too_wide.any():
            return None
        return np.round(use.bias.astype(np.float64) / self.steps(use)).astype(np.int32)

    def _too_wide(self, use: RoundedUse) -> NDArray[np.bool_]:
        """Rows [out] whose bias and largest sum do not fit together."""
        if use.bias is None:
            return np.zeros(len(self.codes), dtype=bool)
        steps = self.steps(use).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            bias = np.abs(use.bias.astype(np.float64)) / steps
        fits: NDArray[np.bool_] = bias + self.reach(use) < LARGEST_SUM  # False for a step of 0
        return ~fits

    def with_room_for(self, uses: Sequence[RoundedUse]) -> WholeNumbers:
        """The same function with larger scales in rows where a bias would not fit in 32 bits.

        uses: all that reads the weight. A row of zeros may have any scale. So may one whose largest sum is
        lost beside its bias in float32 anyway: it becomes a row of zeros.
        """
        too_wide = np.zeros(len(self.codes), dtype=bool)
        may_be_zero = np.ones(len(self.codes), dtype=bool)
        scale = np.broadcast_to(self.scale, len(self.codes)).astype(np.float64)
        for use in uses:
            bias = np.zeros(len(self.codes)) if use.bias is None else np.abs(use.bias.astype(np.float64))
            too_wide |= self._too_wide(use)
            may_be_zero &= self.reach(use) * self.steps(use).astype(np.float64) * _EXACT <= bias
            scale = np.maximum(scale, np.maximum(bias / _AIM, _TINY) / use.grid.scale)
        is_zero = (self.codes == self.zero_point[:, None]).all(axis=1)
        rows = too_wide & (is_zero | may_be_zero)
        if not rows.any():
            return self
        zero_point = np.broadcast_to(self.zero_point, len(self.codes)).copy()
        kept = np.broadcast_to(self.scale, len(self.codes))
        codes = np.where(rows[:, None], zero_point[:, None], self.codes)
        return WholeNumbers(codes, np.where(rows, scale, kept).astype(np.float32), zero_point)
