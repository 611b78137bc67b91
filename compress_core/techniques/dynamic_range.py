"""Dynamic quantization of a layer's input."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from compress_core.foundation.knobs import Unit
from compress_core.techniques.contract.input_rules import DynamicGrid
from compress_core.techniques.contract.technique import technique


@technique
def dynamic_range(
    *,
    bits: Annotated[int, Field(ge=2, le=8, description="Bits for each value."), Unit("bit")] = 8,
    granularity: Annotated[
        Literal["per_tensor", "per_item"],
        Field(description="Which values share one range: all items of a batch, or each item."),
    ] = "per_item",
) -> DynamicGrid:
    """Round a layer's input to evenly spaced levels over the range that it has at that moment.

    Needs no calibration and no weight; the range is looked up anew for every batch or item, which costs
    time. 2**bits levels from the smallest to the largest value, zero is one of them.

    Gholami et al. 2021, A Survey of Quantization Methods, arXiv:2103.13630, on dynamic quantization.
    """
    return DynamicGrid(bits, granularity)
