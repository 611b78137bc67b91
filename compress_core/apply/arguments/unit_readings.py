"""Whether anybody hears the units of a group, and whether they have anything to say."""

from __future__ import annotations

from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.preparation_views import UnitsView


@argument(depends_on=DependsOn.WEIGHT)
def largest_reading(at: UnitsView) -> Tensor:
    """The largest |weight| with which anybody reads each unit [units] float64."""
    return at.state.read


@argument(depends_on=DependsOn.WEIGHT)
def says_the_same(at: UnitsView) -> Tensor:
    """Units [units] bool without a weight of their own, whose one value the biases behind can take over."""
    return at.state.says_the_same
