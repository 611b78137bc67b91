"""What a layer reads on calibration items."""

from __future__ import annotations

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.weight_view import WeightView
from compress_core.network.calibrate import LayerReads


@argument(depends_on=DependsOn.ITEMS | DependsOn.FACTORED_LAYERS)
def inputs(at: WeightView) -> LayerReads:
    """Behind the layers as the base has them, batch by batch [groups, positions, in * k]."""
    return at.inputs_in(at.network())


@argument(depends_on=DependsOn.ITEMS | DependsOn.FACTORED_LAYERS | DependsOn.EARLIER_LAYERS)
def compressed_inputs(at: WeightView) -> LayerReads:
    """Behind the layers as they are now, batch by batch [groups, positions, in * k]."""
    return at.inputs_in(at.compressed_network())
