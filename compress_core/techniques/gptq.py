"""Rounding in which the weights still to come make up for those already rounded."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import Unit
from compress_core.levels.grid import Grid, symmetric_grid
from compress_core.levels.spread import spread
from compress_core.numerics.scale import Granularity, RowRanges, group_of, largest_kept
from compress_core.numerics.second_order import Damping, better_rows, inverse_factor, spans_of, swept
from compress_core.techniques.contract.results import Quantized
from compress_core.techniques.contract.technique import technique

_AT_ONCE = 128


@technique
def gptq(
    weight: Tensor,
    mask: Tensor,
    row_ranges: RowRanges,
    compressed_hessian: Tensor,
    *,
    bits: Annotated[int, Field(ge=2, le=8, description="Bits for each weight."), Unit("bit")] = 4,
    granularity: Granularity = "per_channel",
    order: Annotated[
        Literal["largest", "stored"],
        Field(description="Which inputs are rounded first: those with the largest signal, or as stored."),
    ] = "largest",
    damping: Damping = 0.01,
) -> Quantized:
    """Round one input after the other, and let those still to come make up for the error in the output.

    weight, mask [out, in]; levels are those of `uniform`, pruned weights stay zero. Inputs are those that
    the layers before produce now. Where plain rounding happens to err less on a row, the row keeps it: no
    error of the output on the calibration items is above that of `uniform`.

    Frantar et al. 2022, GPTQ, arXiv:2210.17323, section 3.
    """
    largest = largest_kept(weight, mask, granularity, row_ranges)
    grid = symmetric_grid(largest, bits, group_of(granularity))
    moment = compressed_hessian
    shape = (len(moment), -1, weight.shape[1])
    target = torch.where(mask, weight, 0.0)
    nearest = grid.encode(target)
    ahead = torch.arange(weight.shape[1])
    if order == "largest":
        ahead = moment.diagonal(dim1=1, dim2=2).sum(dim=0).argsort(descending=True, stable=True)
    codes = _rounded(target, mask, grid, moment, ahead, damping)
    exact = target.double().view(shape)
    ours, plain = (grid.decode(c).double().view(shape) for c in (codes, nearest))
    better = better_rows(ours, plain, exact, moment).view(-1, 1)
    return Quantized(grid, torch.where(better, codes, nearest))


def _rounded(
    target: Tensor, mask: Tensor, grid: Grid, moment: Tensor, ahead: Tensor, damping: float
) -> Tensor:
    """Codes [out, in] int16; ahead: the inputs in the order in which they are rounded."""
    groups, inputs = len(moment), target.shape[1]
    scale = spread(grid.scale, inputs, grid.group).expand_as(target)[:, ahead]
    inverse = scale.reciprocal()
    stays = mask[:, ahead]
    codes = torch.zeros(target.shape)

    def fixed(column: Tensor, index: int) -> Tensor:
        rounded = (column.reshape(-1).float() * inverse[:, index]).round_().clamp_(grid.low, grid.high)
        codes[:, index] = torch.where(stays[:, index], rounded, 0.0)
        return (codes[:, index] * scale[:, index]).double().view(groups, -1)

    factor = inverse_factor(moment[:, ahead][:, :, ahead], damping)
    weights = target[:, ahead].double().view(groups, -1, inputs)
    swept(weights, factor, spans_of(inputs, _AT_ONCE), lambda _values, _span: None, fixed)
    return codes[:, ahead.argsort()].to(torch.int16)
