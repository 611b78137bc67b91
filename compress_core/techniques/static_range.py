"""Static quantization of a layer's input."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.numerics.input_ranges import RangeMethod, range_of
from compress_core.techniques.contract.input_rules import StaticGrid, grid_over
from compress_core.techniques.contract.technique import technique


@technique
def static_range(
    layer_inputs: Tensor,
    *,
    bits: Annotated[int, Field(ge=2, le=8, description="Bits for each value."), Unit("bit")] = 8,
    method: Annotated[
        RangeMethod,
        Field(description="How the range is chosen on the calibration items; entropy is made for 8 bits."),
    ] = "minmax",
    percentile: Annotated[
        float,
        Field(gt=50, le=100, description="For the method percentile: where the tails are cut."),
        Unit("%"),
        SliderStep(0.01),
    ] = 99.9,
) -> StaticGrid:
    """Round a layer's input to evenly spaced levels over a range that was fixed beforehand.

    layer_inputs: what arrives at the layer on calibration items while every weight is as it ships and the
    inputs before are rounded already; any shape. 2**bits levels, zero is one of them.

    Jacob et al. 2018, arXiv:1712.05877, section 3.1; entropy: Migacz 2017, 8-bit Inference with TensorRT.
    """
    low, high = range_of(layer_inputs, method, percentile, bits)
    scale, zero_point = grid_over(torch.tensor(low), torch.tensor(high), bits)
    return StaticGrid(float(scale), int(zero_point), bits)
