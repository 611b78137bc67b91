"""Choosing channels by the gain of their batch norm."""

from __future__ import annotations

from torch import Tensor

from compress_core.techniques.contract.results import ChannelScores
from compress_core.techniques.contract.technique import technique


@technique
def batch_norm_scale(norm_gain: Tensor) -> ChannelScores:
    """A channel matters as much as its batch norm lets through: the smallest gains go first.

    norm_gain [units], the mean |gain| of the norms behind a unit's channels -> scores [units]; looks at no
    weight.

    Liu et al. 2017, Network Slimming, arXiv:1708.06519, section 3.
    """
    return ChannelScores(norm_gain.abs())
