"""Operators that make one value of many along some axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.texts import Phrase
from compress_core.loading.onnx_file.network_plan import FLOAT, GraphValue, NetworkPlan
from compress_core.loading.onnx_file.node_call import (
    NodeCall,
    NotOpenedError,
    axes_from_front,
    entry,
    one_item,
)
from compress_core.loading.onnx_file.sizes_per_item import BatchSizeError, is_per_item

_Array = NDArray[Any]


def _axes(node: NodeCall, rank: int) -> list[int]:
    """Over which axes; all of them where none is named, or none at all where the node says so."""
    since = 13 if node.node.operator == "ReduceSum" else 18
    named = node.wholes_or_none("axes") if node.version < since else node.numbers(1)
    if named is not None and any(map(is_per_item, named)):
        raise BatchSizeError
    nothing = node.version >= since and bool(node.whole("noop_with_empty_axes", 0))
    return axes_from_front(named, rank) if named else [] if nothing else list(range(rank))


def _reduction(operator: str, call: str, function: Callable[..., Any]) -> None:
    def opened(node: NodeCall, plan: NetworkPlan) -> GraphValue:
        value = node.computed()
        axes, keeps = _axes(node, len(value.shape)), bool(node.whole("keepdims", 1))
        if value.kind != FLOAT:
            raise NotOpenedError(
                Phrase(
                    "its input {number} is of type {kind}, not {wanted}",
                    number=1,
                    kind=value.kind,
                    wanted=FLOAT,
                )
            )
        for axis in axes:
            one_item(value.shape, axis)
        sizes = [1 if at in axes else size for at, size in enumerate(value.shape)]
        shape = tuple(size for at, size in enumerate(sizes) if keeps or at not in axes)
        return plan.step(call, [value], shape, axes=axes, keeps=keeps) if axes else value

    def folded(node: NodeCall, plan: NetworkPlan) -> _Array:
        known = node.known(0)
        axes, keeps = _axes(node, len(known.shape)), bool(node.whole("keepdims", 1))
        plan.spend(known.values.size)
        if known.values.dtype == object and call != "prod":
            raise BatchSizeError
        found = function(known.values, axis=tuple(axes), keepdims=keeps)
        return np.asarray(found, dtype=known.values.dtype)

    entry(operator, becomes=f"torch.{call}", inputs=2, folded=folded)(opened)


_reduction("ReduceMean", "mean", np.mean)
_reduction("ReduceSum", "sum", np.sum)
_reduction("ReduceMax", "amax", np.max)
_reduction("ReduceMin", "amin", np.min)
_reduction("ReduceProd", "prod", np.prod)
_reduction("ReduceL2", "norm", lambda values, **how: np.sqrt(np.sum(np.square(values), **how)))
_reduction("ReduceL1", "sum_of_sizes", lambda values, **how: np.sum(np.abs(values), **how))
_reduction("ReduceSumSquare", "sum_of_squares", lambda values, **how: np.sum(np.square(values), **how))
