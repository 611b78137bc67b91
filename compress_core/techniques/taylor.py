"""Pruning by the loss that a weight's removal would cost."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.selection.scores import Scores
from compress_core.techniques.contract.technique import technique


@technique
def taylor(weight: Tensor, fisher_diagonal: Tensor) -> Scores:
    """A weight matters as much as the loss would change without it: gradient times weight, squared.

    weight, fisher_diagonal [out, in] -> scores [out, in]. The square is taken for each item before the
    mean: the mean gradient of a trained network is about 0.

    Molchanov et al. 2019, Importance Estimation for Neural Network Pruning, arXiv:1906.10771, eq. 4 and 8.
    """
    largest = torch.finfo(torch.float32).max
    product = fisher_diagonal.sqrt().clamp_max_(largest) * weight.abs()
    return Scores(product.square_().clamp_max_(largest), adds_up=True)
