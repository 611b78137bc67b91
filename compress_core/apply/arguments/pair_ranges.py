"""How large the weights of two layers in a row are, channel by channel between them."""

from __future__ import annotations

from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.preparation_views import PairView


@argument(depends_on=DependsOn.WEIGHT)
def first_range(at: PairView) -> Tensor:
    """The largest |weight| that makes each channel [channels] float64."""
    return at.first().abs().amax(1)


@argument(depends_on=DependsOn.WEIGHT)
def second_range(at: PairView) -> Tensor:
    """The largest |weight| that reads each channel [channels] float64.

    A channel that was flattened over positions enters as so many inputs in a row.
    """
    by_input = at.second().abs().amax((1, 3)).flatten()
    return by_input.view(at.channels, -1).amax(1)
