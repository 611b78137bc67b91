"""What arrives at a layer once all weights are what they will be."""

from __future__ import annotations

from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.input_view import InputView


@argument(depends_on=DependsOn.ITEMS | DependsOn.EARLIER_LAYERS)
def layer_inputs(at: InputView) -> Tensor:
    """On calibration items; any shape."""
    return at.values
