"""A weight most of whose values are zero, as steps from zero and what they stand for.

Whether a weight was pruned or rounded to zero makes no difference to its value, and none here.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from compress_core.deliver.packing.joint_levels import LivingRows, code_levels, steps_to_codes, zero_levels
from compress_core.deliver.packing.joint_stream import JointStream
from compress_core.deliver.packing.neighbors import MOST_STEPS
from compress_core.deliver.packing.sparse_matrix import LevelSteps, code_sparse
from compress_core.levels.exponential import Exponential
from compress_core.levels.grid import Grid
from compress_core.levels.spread import spread
from compress_core.techniques.contract.encoded import EncodedWeight


def steps_from_zero(encoded: EncodedWeight) -> LevelSteps | None:
    """How many levels each weight lies above or below zero [out, in].

    None where there are no levels, or too many columns.
    """
    if encoded.quantized is None or encoded.weight.shape[1] > MOST_STEPS:
        return None
    levels, codes = encoded.quantized.levels, encoded.codes.numpy().astype(np.int32)
    match levels:
        case Grid(zero_point=None) | Exponential():
            steps = codes
        case Grid():
            assert levels.zero_point is not None
            steps = codes - spread(levels.zero_point, codes.shape[1], levels.group).numpy().astype(np.int32)
        case _:
            zero, holds_zero = zero_levels(levels)
            steps = (codes - zero + (~holds_zero & (codes >= zero))).astype(np.int32)
    if encoded.mask is not None:
        steps = np.where(encoded.mask.tensor.numpy(), steps, 0)
    return steps


def write_sparse(stream: JointStream, encoded: EncodedWeight, steps: LevelSteps) -> None:
    """Write a weight of these steps from zero [out, in]."""
    assert encoded.quantized is not None
    code_sparse(stream, steps.shape, steps)
    code_levels(stream, living_rows(steps), encoded.quantized.levels)


def read_sparse(stream: JointStream, rows: int, columns: int) -> Tensor:
    """The values of a weight [rows, columns]."""
    steps = code_sparse(stream, (rows, columns), None)
    levels = code_levels(stream, living_rows(steps), None)
    codes = torch.from_numpy(steps_to_codes(steps, levels))
    return levels.decode(codes).masked_fill_(torch.from_numpy(steps == 0), 0.0)


def living_rows(steps: LevelSteps) -> LivingRows:
    """The rows of these steps from zero [out, in] that hold anything."""
    return LivingRows(np.flatnonzero(steps.any(axis=1)), *steps.shape)
