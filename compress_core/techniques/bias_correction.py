"""Correction of the shift that rounding leaves in a layer's mean output."""

from __future__ import annotations

from torch import Tensor

from compress_core.techniques.contract.results import Shifted
from compress_core.techniques.contract.technique import technique


@technique
def bias_correction(mean_before: Tensor, mean_after: Tensor) -> Shifted:
    """Add to the bias of each changed layer what its mean output lost through compression.

    mean_before, mean_after [out], of the layer's output on calibration items, before and after its weight
    or input was changed -> what is added to the bias [out]. Layer after layer from the front: each sees
    those before it corrected. A layer without a bias gets one; where a batch norm alone reads its output,
    the norm's running mean takes it instead.

    Nagel et al. 2019, Data-Free Quantization Through Weight Equalization, arXiv:1906.04721, section 4.2.
    """
    return Shifted(mean_before - mean_after)
