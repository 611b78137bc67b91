"""Compile what packs and reads files before somebody waits for it.

It takes some ten seconds once for a machine, and a quarter of a second in each process after that. The
installation calls it as `python -m compress_core.deliver.packing.beforehand`, a server while it starts.
"""

from __future__ import annotations

import numpy as np
import torch

from compress_core.deliver.packing.coder import Reading, Writing
from compress_core.deliver.packing.codes import pack_codes, read_codes
from compress_core.deliver.packing.joint_stream import JointStream
from compress_core.deliver.packing.positions import pack_positions, read_positions
from compress_core.deliver.packing.small_numbers import code_small
from compress_core.deliver.packing.sparse_matrix import code_sparse

_SIDE = 48  # rows and columns, enough for every way of writing


def compile_beforehand() -> None:
    """Write one small matrix and a few numbers in every way that there is, and read them back."""
    rows, columns = np.indices((_SIDE, _SIDE))
    steps = ((columns // 8 % 3 - 1) * (rows % 2)).astype(np.int32)
    numbers, likely = torch.tensor([0.1, 0.7]), np.zeros(2, dtype=np.int64)
    writing = Writing()
    code_sparse(JointStream(writing), steps.shape, steps)
    code_small(JointStream(writing), numbers.shape, numbers.dtype, numbers, likely)
    reading = Reading.of_shortest(writing.shortest())
    code_sparse(JointStream(reading), steps.shape, None)
    code_small(JointStream(reading), numbers.shape, numbers.dtype, None, likely)
    mask = steps != 0
    read_positions(pack_positions(mask), *mask.shape)
    mask, codes = np.ones_like(mask), steps + 1
    read_codes(pack_codes(codes, mask, 3), mask, 3)


if __name__ == "__main__":
    compile_beforehand()
