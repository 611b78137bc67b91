"""Choosing channels by how often they are silent."""

from __future__ import annotations

from torch import Tensor

from compress_core.techniques.contract.results import ChannelScores
from compress_core.techniques.contract.technique import technique


@technique
def zero_activations(activation_zeros: Tensor) -> ChannelScores:
    """A channel that is silent on most items goes first: the average percentage of zeros.

    activation_zeros [units], share of zeros that the next layer reads on calibration items -> scores
    [units], its complement; looks at no weight.

    Hu et al. 2016, Network Trimming, arXiv:1607.03250, eq. 1.
    """
    return ChannelScores(1 - activation_zeros)
