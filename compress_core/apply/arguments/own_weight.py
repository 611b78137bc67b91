"""The weight itself, and what its layer says of it."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.weight_view import WeightView


@argument(depends_on=DependsOn.WEIGHT)
def weight(at: WeightView) -> Tensor:
    """[out, in * k], pruned ones included."""
    return at.weight


@argument(depends_on=DependsOn.WEIGHT)
def kernel(at: WeightView) -> Tensor:
    """The same as [out, in, *k]."""
    return at.weight.view(at.layer.kernel_shape)


@argument(depends_on=DependsOn.WEIGHT)
def mask(at: WeightView) -> Tensor:
    """Which weights stay, [out, in * k] bool."""
    return at.mask


@argument(depends_on=DependsOn.WEIGHT)
def groups(at: WeightView) -> int:
    """Into how many groups the rows fall, each with inputs of its own."""
    return at.layer.groups


@argument(depends_on=DependsOn.NOTHING)
def generator(at: WeightView) -> torch.Generator:
    """Random numbers that follow from the seed of the step and the name of the layer."""
    return at.generator()
