"""What the factorizers share: how a rank is chosen, and what a chain of smaller layers computes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import SliderStep, Unit

Rank = Annotated[
    int | None,
    Field(ge=1, le=65536, description="Directions kept in each group; leave out to have it chosen."),
]
Choose = Annotated[
    Literal["energy", "bytes", "break_even"],
    Field(
        description="What the rank follows from where none is given: the energy that stays, the bytes that "
        "may be used, or the highest rank that still makes the layer smaller."
    ),
]
Energy = Annotated[
    float,
    Field(gt=0, le=1, description="Share of the squared singular values to keep when energy chooses."),
    Unit("share"),
    SliderStep(0.001),
]
ShareOfBytes = Annotated[
    float,
    Field(gt=0, le=4, description="Share of the layer's bytes that its parts may take when bytes choose."),
    Unit("share"),
    SliderStep(0.001),
]


def most_weights(choose: str, share: float, whole: int) -> int:
    """How many weights the parts of a layer of `whole` weights may have, when energy does not choose."""
    return whole - 1 if choose == "break_even" else math.floor(share * whole + 1e-6)


def chosen_rank(
    kept: Tensor, weights: Callable[[int], int], whole: int, choose: str, energy: float, share: float
) -> int:
    """The rank for one chain of layers; at least 1.

    kept [r]: share of the energy that the first i keep; weights: of all parts at a rank.
    """
    if choose == "energy":
        return min(len(kept), int((kept < energy - 1e-9).count_nonzero()) + 1)
    most = most_weights(choose, share, whole)
    fitting = [rank for rank in range(1, len(kept) + 1) if weights(rank) <= most]
    return max(fitting, default=1)


def refuse_above(rank: int, highest: int, rows: int, columns: int) -> None:
    """Raises Refused for a rank that a weight of so many rows and columns cannot have."""
    if rank > highest:
        raise Refused(
            "A weight of {rows} x {columns} has rank {highest} at most, but rank {rank} was asked for: "
            "choose a smaller one.",
            rows=rows,
            columns=columns,
            highest=highest,
            rank=rank,
        )


def composed(kernels: Sequence[Tensor], groups: int) -> Tensor:
    """The one kernel [out, in / groups, *k] that computes what a chain of kernels computes, first to last.

    An axis of the kernel belongs to one of them; the others have size 1 along it.
    """
    whole = kernels[0]
    for kernel in kernels[1:]:
        whole = _after(whole, kernel, groups)
    return whole


def _after(first: Tensor, second: Tensor, groups: int) -> Tensor:
    """second [out, r, *k] of first [groups * r, in, *k]."""
    one = first.reshape(groups, -1, first.shape[1], first.shape[2:].numel())
    two = second.reshape(groups, -1, second.shape[1], second.shape[2:].numel())
    product = torch.einsum("gorb,gria->goiab", two, one).flatten(0, 1)
    sizes = [*first.shape[2:], *second.shape[2:]]
    axes = len(sizes) // 2
    order = [0, 1, *(2 + axis + half * axes for axis in range(axes) for half in (0, 1))]
    kernel = product.view(*product.shape[:2], *sizes).permute(order)
    joined = [a * b for a, b in zip(first.shape[2:], second.shape[2:], strict=True)]
    return kernel.reshape(*product.shape[:2], *joined)
