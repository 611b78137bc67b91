"""Cutting out the units that change no answer."""

from __future__ import annotations

from torch import Tensor

from compress_core.techniques.contract.results import KeptUnits
from compress_core.techniques.contract.technique import technique


@technique
def cut_zero_units(largest_reading: Tensor, says_the_same: Tensor) -> KeptUnits:
    """Take away the channels, neurons and heads that nobody hears, or that say the same to every item.

    largest_reading [units], the largest |weight| with which anybody reads a unit; says_the_same [units] bool,
    units of which no weight is left, whose one value the biases behind them take over. What this silences
    in turn goes too; of every group one unit stays.

    Wen et al. 2016, Learning Structured Sparsity in Deep Neural Networks, arXiv:1608.03665, section 3.
    """
    return KeptUnits((largest_reading > 0) & ~says_the_same)
