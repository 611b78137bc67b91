"""Evenly spaced levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from compress_core.levels.spread import spread

_BLOCK = 2**17  # weights at a time: a block that stays in the cache makes several passes cost about one
_TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Grid:
    """Evenly spaced levels: scale * (code - zero_point), low <= code <= high.

    scale [1, 1], [out, 1] or [out, groups], positive; zero_point of the same shape or None for 0.
    clips False says that no weight lies outside the levels, so that no code needs to be clipped.
    """

    scale: Tensor
    low: int
    high: int
    zero_point: Tensor | None = None
    group: int | None = None
    clips: bool = True

    @property
    def code_bits(self) -> int:
        return (self.high - self.low).bit_length()

    @property
    def has_zero(self) -> bool:
        return True

    def encode(self, weight: Tensor) -> Tensor:
        """Codes [out, in] int16 of the nearest levels."""
        grid, rows = _row_by_row(self, weight)
        codes = torch.empty_like(rows)
        inverse, zero_point = grid.scale.reciprocal(), grid.zero_point
        _round_into(codes, rows, grid, inverse, zero_point)
        return codes.to(torch.int16).view(weight.shape)

    def decode(self, codes: Tensor) -> Tensor:
        """Values [out, in] float32 of codes."""
        centered = codes.to(torch.float32, copy=True)
        if self.zero_point is not None:
            centered -= spread(self.zero_point, codes.shape[1], self.group)
        return centered.mul_(spread(self.scale, codes.shape[1], self.group))

    def quantize_into(self, weight: Tensor, out: Tensor) -> Tensor:
        """Write the nearest level of each weight into `out`, both [out, in], a block of rows at a time."""
        grid, source = _row_by_row(self, weight)
        rows = max(1, _BLOCK // max(1, source.shape[1]))
        sources, targets = torch.split(source, rows), torch.split(out.view(source.shape), rows)
        scales, inverses = (_by_rows(s, rows, len(sources)) for s in (grid.scale, grid.scale.reciprocal()))
        zeros = _by_rows(grid.zero_point, rows, len(sources))
        for part, target, scale, inverse, zero in zip(sources, targets, scales, inverses, zeros, strict=True):
            _round_into(target, part, grid, inverse, zero)
            if zero is not None:
                target.sub_(spread(zero, part.shape[1], grid.group))
            else:
                target.add_(0.0)  # -0.0 becomes the one zero that codes stand for
            target.mul_(spread(scale, part.shape[1], grid.group))
        return out

    def stored(self) -> dict[str, Tensor]:
        """What a file needs beside the codes."""
        if self.zero_point is None:
            return {"scale": self.scale.to(torch.float32)}
        return {"scale": self.scale.to(torch.float32), "zero_point": self.zero_point.to(torch.uint8)}

    def levels(self, row: int = 0) -> Tensor:
        """All levels of one row's first group, ascending [high - low + 1]."""
        at = min(row, self.scale.shape[0] - 1)
        zero = 0 if self.zero_point is None else self.zero_point[at, 0]
        codes = torch.arange(self.low, self.high + 1, dtype=torch.float32)
        return (codes - zero) * self.scale[at, 0]


def _row_by_row(grid: Grid, weight: Tensor) -> tuple[Grid, Tensor]:
    """Groups that divide the inputs evenly are the rows of a longer matrix."""
    if grid.group is None or weight.shape[1] % grid.group:
        return grid, weight
    zero_point = None if grid.zero_point is None else grid.zero_point.view(-1, 1)
    flat = replace(grid, scale=grid.scale.view(-1, 1), zero_point=zero_point, group=None)
    return flat, weight.reshape(-1, grid.group)


P = TypeVar("P", Tensor, Tensor | None)


def _by_rows(per_group: P, rows: int, blocks: int) -> Sequence[P]:
    """What belongs to each block of rows; a value for the whole tensor belongs to all."""
    if per_group is None or per_group.shape[0] == 1:
        return [per_group] * blocks
    return torch.split(per_group, rows)


def _round_into(out: Tensor, weight: Tensor, grid: Grid, inverse: Tensor, zero_point: Tensor | None) -> None:
    """Codes as float32; by the reciprocal of the scale, as torch's own fake quantization does."""
    torch.mul(weight, spread(inverse, weight.shape[1], grid.group), out=out).round_()
    if zero_point is not None:
        out.add_(spread(zero_point, weight.shape[1], grid.group))
    if grid.clips:
        out.clamp_(grid.low, grid.high)


def symmetric_grid(largest: Tensor, bits: int, group: int | None = None, *, clips: bool = True) -> Grid:
    """2**bits - 1 evenly spaced levels from -largest to +largest; zero is one of them.

    largest [1, 1], [out, 1] or [out, groups]: one for the weights that share a scale.
    """
    high = 2 ** (bits - 1) - 1
    return Grid((largest / high).clamp_min(_TINY), -high, high, group=group, clips=clips)


def full_grid(
    smallest: Tensor, largest: Tensor, bits: int, group: int | None = None, *, clips: bool = True
) -> Grid:
    """2**bits evenly spaced levels, one more below zero than above: the finest that reach both ends.

    smallest <= 0 and largest >= 0, [1, 1], [out, 1] or [out, groups]: one for the weights that share a scale.
    """
    below = 2 ** (bits - 1)
    scale = torch.maximum(smallest / -below, largest / (below - 1)).clamp_min(_TINY)
    return Grid(scale, -below, below - 1, group=group, clips=clips)


def signed_grid(largest: Tensor, bits: int, group: int | None = None) -> Grid:
    """2**bits evenly spaced levels of which every value between -largest and +largest is within half a step.

    One more lies below zero than above; the largest value itself may lie halfway above the last.
    largest [1, 1], [out, 1] or [out, groups]: one for the weights that share a scale.
    """
    below = 2 ** (bits - 1)
    scale = (largest / (below - 0.5)).clamp_min(_TINY)
    return Grid(scale, -below, below - 1, group=group)


def affine_grid(smallest: Tensor, largest: Tensor, bits: int, group: int | None = None) -> Grid:
    """2**bits evenly spaced levels from smallest <= 0 to largest >= 0; one of them is zero.

    smallest, largest [1, 1], [out, 1] or [out, groups]: one for the weights that share a scale.
    """
    high = 2**bits - 1
    scale = (largest / high - smallest / high).clamp_min(_TINY)
    zero_point = (-smallest / scale).round_().clamp_(0, high)
    return Grid(scale, 0, high, zero_point, group)
