"""The knob that says how many weights share one scale, and the ranges it leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.errors import Refused

Granularity = Annotated[
    str,
    Field(
        pattern=r"^(per_tensor|per_channel|per_group:[1-9]\d{0,5})$",
        description="Which weights share one scale: all of the tensor, an output channel, or a group of g "
        "inputs of a channel (per_group:g).",
        examples=["per_tensor", "per_channel", *(f"per_group:{g}" for g in (16, 32, 64, 128, 256))],
    ),
]

NarrowRange = Annotated[
    bool,
    Field(
        description="Leave out the lowest level, so that as many lie below zero as above (-127 to 127 at 8 "
        "bits), which some hardware asks for."
    ),
]


def group_of(granularity: str) -> int | None:
    """The g of per_group:g, else None."""
    word, _, group = granularity.partition(":")
    return int(group) if word == "per_group" else None


@dataclass(frozen=True)
class RowRanges:
    """Smallest and largest kept weight of each row [out, 1], widened to include 0.

    all_kept: nothing is pruned.
    """

    low: Tensor
    high: Tensor
    all_kept: bool

    @classmethod
    def of(cls, weight: Tensor, mask: Tensor) -> RowRanges:
        """The ranges of a layer; weight, mask [out, in]."""
        everything = bool(mask.numpy().all())  # numpy looks at bytes ten times faster than torch
        low, high = _range(weight if everything else weight * mask, 1)
        return cls(low, high, everything)


def range_of_kept(
    weight: Tensor, mask: Tensor, granularity: str, rows: RowRanges | None = None
) -> tuple[Tensor, Tensor]:
    """(smallest, largest) of the kept weights that share a scale, widened to include 0.

    weight, mask [out, in] -> [1, 1], [out, 1] or [out, ceil(in / g)]; rows, where they are known,
    make it a look-up unless the scale is per group.
    """
    group = group_of(granularity)
    if group is not None:
        values = _grouped(weight if rows is not None and rows.all_kept else weight * mask, group)
        low, high = _range(values, 2)
        return low.squeeze(2), high.squeeze(2)
    rows = rows or RowRanges.of(weight, mask)
    if granularity == "per_channel":
        return rows.low, rows.high
    return rows.low.min().view(1, 1), rows.high.max().view(1, 1)


def largest_kept(weight: Tensor, mask: Tensor, granularity: str, rows: RowRanges | None = None) -> Tensor:
    """Largest |weight [out, in]| among those of mask [out, in] that share a scale; 0 where none is kept."""
    low, high = range_of_kept(weight, mask, granularity, rows)
    return torch.maximum(high, -low)


def sharing(weight: Tensor, granularity: str) -> Tensor:
    """The weights that share a scale, a row for each scale; a last group is filled up with zeros.

    weight [out, in] -> [1, out * in], [out, in] or [out * ceil(in / g), g].
    """
    group = group_of(granularity)
    if group is not None:
        return _grouped(weight, group).flatten(0, 1)
    return weight if granularity == "per_channel" else weight.reshape(1, -1)


def _range(values: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """In one direction aminmax is four times slower than amin and amax."""
    return values.amin(dim, keepdim=True).clamp_max(0), values.amax(dim, keepdim=True).clamp_min(0)


def _grouped(values: Tensor, group: int) -> Tensor:
    """[out, in] -> [out, ceil(in / group), group], the last group filled up with zeros."""
    inputs = values.shape[1]
    if group > inputs:
        raise Refused(
            "Groups of {group} inputs do not fit a layer with {inputs} inputs: "
            "choose a group of at most {inputs}, or one scale for each row.",
            group=group,
            inputs=inputs,
        )
    padded = values if inputs % group == 0 else torch.nn.functional.pad(values, (0, -inputs % group))
    return torch.unflatten(padded, 1, (-1, group))
