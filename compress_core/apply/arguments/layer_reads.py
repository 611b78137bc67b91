"""What a layer reads on calibration items."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.weight_view import WeightView


@argument(depends_on=DependsOn.ITEMS | DependsOn.FACTORED_LAYERS)
def inputs(at: WeightView) -> Iterator[Tensor]:
    """Behind the layers as the base has them, batch by batch [groups, positions, in * k]."""
    return at.inputs_in(at.network())


@argument(depends_on=DependsOn.ITEMS | DependsOn.FACTORED_LAYERS | DependsOn.EARLIER_LAYERS)
def compressed_inputs(at: WeightView) -> Iterator[Tensor]:
    """Behind the layers as they are now, batch by batch [groups, positions, in * k]."""
    return at.inputs_in(at.compressed_network())
