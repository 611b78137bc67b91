"""Numbers that came as whole numbers with a scale: weights become what they stand for, values are rounded.

A QuantizeLinear with its DequantizeLinear is one module that rounds as the two say: to the even of two codes
as near, and no further than the type reaches.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.network_plan import FLOAT, ROUNDED, GraphValue, KnownValue, NetworkPlan
from compress_core.loading.onnx_file.node_call import CODES, NodeCall, NotOpenedError, axis_from_front, entry

_Array = NDArray[Any]
_CODES = frozenset({"uint8", "int8", "uint16", "int16"})


def _scale_and_zero(node: NodeCall) -> tuple[KnownValue, KnownValue | None]:
    scale, zero = node.weights(1), node.known_or_none(2)
    if len(scale.shape) > 1 or (zero is not None and zero.values.size != scale.values.size):
        raise NotOpenedError(N_("its scale is neither one number nor one for each row"))
    if not bool(np.isfinite(scale.values).all() and (scale.values > 0).all()):
        raise NotOpenedError(N_("its scale is not a positive number"))
    node.only("block_size", 0)
    return scale, zero


def _decoded(node: NodeCall, plan: NetworkPlan) -> _Array:
    """scale * (code - zero point), in float32 as ONNX has it."""
    codes, (scale, zero) = node.known(0), _scale_and_zero(node)
    rank = len(codes.shape)
    if codes.kind not in _CODES | {"int32"} or (zero is not None and zero.kind != codes.kind):
        raise NotOpenedError(Phrase("its inputs are of the types {kinds}", kinds=codes.kind))
    axis = node.whole("axis", 1)
    node.only("output_dtype", 0, 1)
    shape: list[int] = []
    if scale.values.size > 1:
        axis = axis_from_front(axis, rank)
        if scale.values.size != codes.shape[axis]:
            raise NotOpenedError(N_("its scale is neither one number nor one for each row"))
        shape = [-1 if at == axis else 1 for at in range(rank)]
    plan.spend(codes.values.size)
    found = codes.values.astype(np.float32)
    if zero is not None:
        if codes.kind == "int32" and np.any(zero.values):
            raise NotOpenedError(N_("its zero point is not zero"))
        found -= zero.values.astype(np.float32).reshape(shape)  # exact: both are of 16 bits at most
    found *= scale.values.reshape(shape)
    return found


@entry("DequantizeLinear", becomes="weights of float32", inputs=3, folded=_decoded)
def dequantize(node: NodeCall, _plan: NetworkPlan) -> GraphValue:
    """Behind a QuantizeLinear with the same scale: the two are one module."""
    value = node.computed_codes()
    draft = value.layer
    if draft is None or draft.kind != ROUNDED:
        raise NotOpenedError(N_("it does not stand behind a QuantizeLinear"))
    given = _grid(node, value.kind.removeprefix(CODES))
    node.only("output_dtype", 0, 1)
    if given != draft.given:
        raise NotOpenedError(N_("its scale is another than that of the QuantizeLinear before it"))
    return replace(value, kind=FLOAT, layer=None)


def _encoded(node: NodeCall, plan: NetworkPlan) -> _Array:
    """Codes of constants: the even of two as near, within the type."""
    known, zero = node.known(0), node.known_or_none(2)
    grid = _grid(node, "uint8" if zero is None else zero.kind)
    node.only("saturate", 1)
    node.only("output_dtype", 0)
    node.only("precision", 0, 1)
    plan.spend(known.values.size)
    codes = np.rint(known.values / np.float32(grid["scale"])) + np.float32(grid["zero_point"])
    return np.asarray(np.clip(codes, grid["low"], grid["high"]), dtype="uint8" if zero is None else zero.kind)


@entry("QuantizeLinear", becomes="a module that rounds", inputs=3, folded=_encoded)
def quantize(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Makes codes, which only a DequantizeLinear reads."""
    value, zero = node.real(), node.known_or_none(2)
    node.only("saturate", 1)
    node.only("precision", 0, 1)
    kind = "uint8" if zero is None else zero.kind
    given = _grid(node, kind)
    said = node.whole("output_dtype", 0)
    if said and {2: "uint8", 3: "int8", 4: "uint16", 5: "int16"}.get(said) != kind:
        raise node.other("output_dtype")
    return plan.layer(ROUNDED, given, value, value.shape, named=node.names, made=f"{CODES}{kind}")


def _grid(node: NodeCall, kind: str) -> dict[str, Any]:
    """The grid of the whole tensor as arguments of the module."""
    scale, zero = _scale_and_zero(node)
    node.whole("axis", 1)
    if scale.values.size != 1:
        raise NotOpenedError(N_("it rounds values with several scales"))
    if kind not in _CODES or (zero is not None and zero.kind != kind):
        raise NotOpenedError(Phrase("its inputs are of the types {kinds}", kinds=kind))
    limits = np.iinfo(kind)
    return {
        "scale": float(scale.values.reshape(())),
        "zero_point": 0 if zero is None else int(zero.values.reshape(())),
        "low": int(limits.min),
        "high": int(limits.max),
    }
