"""What a layer puts out on calibration items, in the mean of each channel."""

from __future__ import annotations

from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.correction_views import OutputView


@argument(depends_on=DependsOn.ITEMS)
def mean_before(at: OutputView) -> Tensor:
    """In the base [out] float64."""
    return at.before


@argument(depends_on=DependsOn.ITEMS | DependsOn.EARLIER_LAYERS | DependsOn.WEIGHT)
def mean_after(at: OutputView) -> Tensor:
    """With all weights and inputs as they ship [out] float64."""
    return at.after
