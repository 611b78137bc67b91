"""Pruning by weights and activations."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.selection.scores import Scores
from compress_core.techniques.contract.technique import technique


@technique
def wanda(weight: Tensor, input_norm: Tensor) -> Scores:
    """A weight matters as much as it moves the layer's output: its size times the norm of its input.

    weight [out, in], input_norm [groups, in] -> scores [out, in], |weight| * norm. The paper compares
    within a row: choose the scope row for that.

    Sun et al. 2023, A Simple and Effective Pruning Approach for Large Language Models,
    arXiv:2306.11695, eq. 1.
    """
    of_rows = input_norm.repeat_interleave(len(weight) // len(input_norm), dim=0)
    return Scores((weight.abs() * of_rows).clamp_max(torch.finfo(torch.float32).max))
