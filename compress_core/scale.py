"""The knob that says how many weights share one scale, and the ranges it leads to."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from compress_core.errors import Refused

ScalePer = Annotated[
    str,
    Field(
        pattern=r"^(tensor|row|group:[1-9]\d{0,5})$",
        description="How many weights share one scale: the tensor, a row, or a group of g inputs (group:g).",
        examples=["tensor", "row", "group:32"],
    ),
]


def group_of(scale_per: str) -> int | None:
    """The g of group:g, else None."""
    return int(scale_per.removeprefix("group:")) if scale_per.startswith("group:") else None


def largest_kept(weight: Tensor, kept: Tensor, scale_per: str) -> Tensor:
    """Largest |weight| among the kept ones that share a scale; 0 where none is kept.

    weight, kept [out, in] -> [1, 1], [out, 1] or [out, ceil(in / g)].
    """
    return range_of_kept(weight.abs(), kept, scale_per)[1]


def range_of_kept(weight: Tensor, kept: Tensor, scale_per: str) -> tuple[Tensor, Tensor]:
    """(smallest, largest) of the kept weights that share a scale, widened to include 0."""
    values = weight if bool(kept.all()) else weight * kept
    group = group_of(scale_per)
    if group is not None:
        if group > values.shape[1]:
            raise Refused(
                "Groups of {group} inputs do not fit a layer with {inputs} inputs: "
                "choose a group of at most {inputs}, or one scale for each row.",
                group=group,
                inputs=values.shape[1],
            )
        count = math.ceil(values.shape[1] / group)
        padded = torch.nn.functional.pad(values, (0, count * group - values.shape[1]))
        low, high = padded.unflatten(1, (count, group)).aminmax(dim=2)
    elif scale_per == "row":
        low, high = values.aminmax(dim=1, keepdim=True)
    else:
        low, high = (v.view(1, 1) for v in values.aminmax())
    return low.clamp_max(0), high.clamp_min(0)
