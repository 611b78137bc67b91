"""The bias that is added to what a node computes: in the node itself, or by an Add behind a MatMul."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BIAS_AT = 2  # of Conv, ConvTranspose and Gemm
_ADDED = "Add"


@dataclass(frozen=True, eq=False)
class BiasPlace:
    """Where a bias [out] stands: as an input of the node itself, or of an Add that alone reads the node.

    values None: nothing is added. is_known False: what is added is computed on the way, or has another
    form than a value for each row.
    """

    node: Any
    values: NDArray[np.float32] | None = None
    is_known: bool = True
    at: int = _BIAS_AT

    @property
    def is_inside(self) -> bool:
        return bool(self.node.op_type != _ADDED)


def bias_of(
    node: Any, rows: int, tensors: dict[str, NDArray[Any]], readers: dict[str, list[Any]]
) -> BiasPlace:
    """The bias of a Conv, ConvTranspose, Gemm or MatMul with so many rows.

    ONNX Runtime joins a MatMul with the Add of a constant that follows, so that counts too.
    """
    if node.op_type != "MatMul":
        if len(node.input) <= _BIAS_AT or not node.input[_BIAS_AT]:
            return BiasPlace(node)
        return _place(node, _BIAS_AT, rows, tensors)
    behind = readers.get(node.output[0], [])
    if len(behind) != 1 or behind[0].op_type != _ADDED:
        return BiasPlace(node)
    other = 1 - list(behind[0].input).index(node.output[0])
    found = _place(behind[0], other, rows, tensors)
    return found if found.is_known else BiasPlace(node)


def _place(node: Any, at: int, rows: int, tensors: dict[str, NDArray[Any]]) -> BiasPlace:
    values = tensors.get(node.input[at])
    if values is None or values.size not in {1, rows} or values.shape[-1:] not in {(), (1,), (rows,)}:
        return BiasPlace(node, None, is_known=False, at=at)
    return BiasPlace(node, np.broadcast_to(values.reshape(-1), rows), at=at)
