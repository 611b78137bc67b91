"""Rounding in which the weights still to come make up for those already rounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import Unit
from compress_core.levels.grid import Grid, affine_grid, signed_grid, symmetric_grid
from compress_core.levels.spread import spread
from compress_core.numerics.scale import Granularity, RowRanges, group_of, range_of_kept
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
    levels: Annotated[
        Literal["asymmetric", "symmetric", "narrow"],
        Field(
            description="Where the levels lie: from the smallest to the largest weight, with a zero point; "
            "on both sides of zero, all that the bits can name; or as many below zero as above."
        ),
    ] = "asymmetric",
    order: Annotated[
        Literal["largest", "stored", "better"],
        Field(
            description="Which inputs are rounded first: those with the largest signal (act_order), as "
            "stored, or for each row the better of the two, which takes twice as long."
        ),
    ] = "better",
    damping: Damping = 0.01,
) -> Quantized:
    """Round one input after the other, and let those still to come make up for the error in the output.

    weight, mask [out, in]; asymmetric levels are those of `affine`, pruned weights stay zero. Inputs are
    those that the layers before produce now. Where plain rounding happens to err less on a row, the row
    keeps it: no error of the output on the calibration items is above that of the same levels alone.

    Frantar et al. 2022, GPTQ, arXiv:2210.17323, section 3; levels as in the authors' code.
    """
    low, high = range_of_kept(weight, mask, granularity, row_ranges)
    grid = _grid(levels, low, high, bits, group_of(granularity))
    moment = compressed_hessian
    target = torch.where(mask, weight, 0.0)
    best = grid.encode(target)
    for ahead in _orders(order, moment):
        codes = _rounded(target, mask, grid, moment, ahead, damping)
        best = torch.where(_err_less(codes, best, grid, target, moment), codes, best)
    return Quantized(grid, best)


def _orders(order: str, moment: Tensor) -> Iterator[Tensor]:
    """The inputs in the order in which they are rounded [in], for each order that is tried."""
    if order != "largest":
        yield torch.arange(moment.shape[1])
    if order != "stored":
        yield moment.diagonal(dim1=1, dim2=2).sum(dim=0).argsort(descending=True, stable=True)


def _err_less(codes: Tensor, others: Tensor, grid: Grid, target: Tensor, moment: Tensor) -> Tensor:
    """Whether codes move the output no more than others do, row by row [out, 1]."""
    shape = (len(moment), -1, target.shape[1])
    ours, theirs = (grid.decode(c).double().view(shape) for c in (codes, others))
    return better_rows(ours, theirs, target.double().view(shape), moment).view(-1, 1)


def _grid(levels: str, low: Tensor, high: Tensor, bits: int, group: int | None) -> Grid:
    if levels == "asymmetric":
        return affine_grid(low, high, bits, group)
    largest = high.maximum(-low)
    return (
        signed_grid(largest, bits, group) if levels == "symmetric" else symmetric_grid(largest, bits, group)
    )


def _rounded(
    target: Tensor, mask: Tensor, grid: Grid, moment: Tensor, ahead: Tensor, damping: float
) -> Tensor:
    """Codes [out, in] int16; ahead: the inputs in the order in which they are rounded."""
    groups, inputs = len(moment), target.shape[1]
    scale, zero = (
        spread(each, inputs, grid.group).expand_as(target)[:, ahead]
        for each in (grid.scale, torch.zeros_like(grid.scale) if grid.zero_point is None else grid.zero_point)
    )
    inverse = scale.reciprocal()
    stays = mask[:, ahead]
    codes = torch.zeros(target.shape)

    def fixed(column: Tensor, index: int) -> Tensor:
        zeros = zero[:, index]
        rounded = (column.reshape(-1).float() * inverse[:, index]).round_().add_(zeros)
        codes[:, index] = torch.where(stays[:, index], rounded.clamp_(grid.low, grid.high), zeros)
        return ((codes[:, index] - zeros) * scale[:, index]).double().view(groups, -1)

    factor = inverse_factor(moment[:, ahead][:, :, ahead], damping)
    weights = target[:, ahead].double().view(groups, -1, inputs)
    swept(weights, factor, spans_of(inputs, _AT_ONCE), lambda _values, _span: None, fixed)
    return codes[:, ahead.argsort()].to(torch.int16)
