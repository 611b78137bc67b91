"""What arrives at a batch norm on calibration items, all weights as they ship."""

from __future__ import annotations

from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.correction_views import NormInputView


@argument(depends_on=DependsOn.ITEMS | DependsOn.EARLIER_LAYERS)
def input_mean(at: NormInputView) -> Tensor:
    """The mean of each channel over all items and positions [channels] float64."""
    return at.mean


@argument(depends_on=DependsOn.ITEMS | DependsOn.EARLIER_LAYERS)
def input_variance(at: NormInputView) -> Tensor:
    """The variance of each channel over all items and positions [channels] float64."""
    return at.variance
