"""Folding of batch norms into the layers before them."""

from __future__ import annotations

from torch import Tensor

from compress_core.techniques.contract.results import Folded
from compress_core.techniques.contract.technique import technique


@technique
def fold_batch_norm(
    norm_gain: Tensor, norm_offset: Tensor, norm_mean: Tensor, norm_variance: Tensor, norm_epsilon: float
) -> Folded:
    """Work each batch norm into the weights of the layer before it: fewer steps, the same answers.

    All [channels] -> scale and shift [channels] for the rows of the weight and the bias: the scale is
    gain / sqrt(variance + epsilon), the shift is offset - mean * scale. Only a norm that alone reads its
    layer's output can go; that the answers stay is tried in float64.

    Jacob et al. 2018, arXiv:1712.05877, section 3.2, eq. 14.
    """
    scale = norm_gain * (norm_variance + norm_epsilon).rsqrt()
    return Folded(scale, norm_offset - norm_mean * scale)
