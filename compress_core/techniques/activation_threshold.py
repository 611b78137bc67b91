"""Activation sparsity by a threshold."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field
from torch import Tensor

from compress_core.foundation.knobs import SliderStep, Unit
from compress_core.techniques.contract.input_rules import KeepAbove
from compress_core.techniques.contract.technique import technique


@technique
def activation_threshold(
    layer_inputs: Tensor,
    *,
    share_kept: Annotated[
        float,
        Field(gt=0, le=1, description="Share of the calibration inputs that stays."),
        Unit("share"),
        SliderStep(0.01),
    ] = 0.5,
) -> KeepAbove:
    """Set the small values of a layer's input to zero, so that the weights they meet are not needed.

    layer_inputs: what arrives at the layer on calibration items while every weight is as it ships, any
    shape; the threshold is the largest that leaves this share of them. Other items may keep more or fewer.

    Liu et al. 2024, Training-Free Activation Sparsity in Large Language Models, arXiv:2408.14690.
    """
    sizes = layer_inputs.detach().abs().flatten().numpy()
    removed = len(sizes) - max(1, round(share_kept * len(sizes)))
    if removed <= 0:
        return KeepAbove(0.0)  # nothing goes, of other items neither
    return KeepAbove(float(np.partition(sizes, removed)[removed]))
