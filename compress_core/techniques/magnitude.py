"""Magnitude pruning."""

from __future__ import annotations

from torch import Tensor

from compress_core.selection.scores import Scores
from compress_core.techniques.contract.technique import technique


@technique
def magnitude(weight: Tensor) -> Scores:
    """A weight matters as much as its size: the smallest go first.

    weight [out, in] -> scores [out, in], |weight|.

    Han et al. 2015, Learning both Weights and Connections, arXiv:1506.02626, section 3.1.
    """
    return Scores(weight, absolute=True)
