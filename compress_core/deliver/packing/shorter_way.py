"""Whether a weight is written as steps from zero or as positions and codes, and how many bytes that takes."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from compress_core.deliver.packing.bytestream import Writer
from compress_core.deliver.packing.coder import Writing
from compress_core.deliver.packing.joint_levels import code_levels
from compress_core.deliver.packing.joint_stream import JointStream
from compress_core.deliver.packing.level_tables import write_levels
from compress_core.deliver.packing.numbers import pack_numbers
from compress_core.deliver.packing.small_numbers import code_small, is_small, likely_zeros
from compress_core.deliver.packing.sparse_matrix import LevelSteps
from compress_core.deliver.packing.sparse_weight import living_rows, steps_from_zero, write_sparse
from compress_core.deliver.packing.weight_stream import pack_weight
from compress_core.techniques.contract.encoded import EncodedWeight

_TRIED = 2**12  # weights; of fewer both ways are tried


def sparse_steps(encoded: EncodedWeight) -> LevelSteps | None:
    """The steps from zero [out, in] of a weight that is shorter so; None of any other.

    It is where half of the weights are zero, and where neither way takes long, that is seen by trying.
    """
    steps = steps_from_zero(encoded)
    if steps is None:
        return None
    if 2 * np.count_nonzero(steps) <= steps.size:
        return steps
    is_shorter = steps.size <= _TRIED and _bytes_of(encoded, steps) < len(pack_weight(encoded))
    return steps if is_shorter else None


def _bytes_of(encoded: EncodedWeight, steps: LevelSteps) -> int:
    writing = Writing()
    write_sparse(JointStream(writing), encoded, steps)
    return len(writing.shortest())


def bytes_of_weight(encoded: EncodedWeight) -> int:
    """Bytes of a weight that stands alone, with levels or in full."""
    steps = sparse_steps(encoded)
    return len(pack_weight(encoded)) if steps is None else _bytes_of(encoded, steps)


def bytes_alone(encoded: EncodedWeight) -> tuple[int, int]:
    """Bytes of a weight that stands alone, and those of them that its levels take.

    In a file, the weights before it teach a little.
    """
    assert encoded.quantized is not None, "it has levels"
    steps = sparse_steps(encoded)
    if steps is None:
        writer = Writer()
        write_levels(writer, encoded.quantized.levels)
        return len(pack_weight(encoded)), len(writer.content())
    writing = Writing()
    code_levels(JointStream(writing), living_rows(steps), encoded.quantized.levels)
    return _bytes_of(encoded, steps), len(writing.shortest())


def bytes_of_numbers(tensor: Tensor) -> int:
    """Bytes of a tensor of any shape that is stored as it is and stands alone."""
    if not is_small(tensor):
        return len(pack_numbers(tensor))
    writing = Writing()
    stream = JointStream(writing)
    code_small(stream, tuple(tensor.shape), tensor.dtype, tensor, likely_zeros(stream, tensor.numel()))
    return len(writing.shortest())
