"""Choosing channels by how strongly they answer."""

from __future__ import annotations

from torch import Tensor

from compress_core.techniques.contract.results import ChannelScores
from compress_core.techniques.contract.technique import technique


@technique
def mean_activation(activation_mean: Tensor) -> ChannelScores:
    """A channel that hardly ever answers matters little: the smallest mean activations go first.

    activation_mean [units], mean |value| that the next layer reads on calibration items -> scores [units];
    looks at no weight.

    Molchanov et al. 2017, Pruning CNNs for Resource Efficient Inference, arXiv:1611.06440, section 2.2.
    """
    return ChannelScores(activation_mean.abs())
