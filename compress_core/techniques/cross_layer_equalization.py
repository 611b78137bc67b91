"""Cross-layer equalization of weight ranges."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.techniques.contract.results import Rescaled
from compress_core.techniques.contract.technique import technique


@technique
def cross_layer_equalization(first_range: Tensor, second_range: Tensor) -> Rescaled:
    """Move size from one layer to the next, channel by channel, so that both quantize equally well.

    first_range, second_range [channels], the largest |weight| of each output channel of a layer and of each
    input channel of the next -> factors [channels]; afterwards both ranges are the root of their product.
    A channel with a range of 0 stays. The answers of the network stay the same where only functions that
    pass positive factors on stand between (ReLU, pooling): that is tried in float64.

    Nagel et al. 2019, Data-Free Quantization Through Weight Equalization, arXiv:1906.04721, eq. 11.
    """
    moves = (first_range > 0) & (second_range > 0)
    one = torch.ones_like(first_range)
    first, second = torch.where(moves, first_range, one), torch.where(moves, second_range, one)
    return Rescaled(first.sqrt() / second.sqrt())
