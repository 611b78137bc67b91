"""Activations, as modules of torch, so that they can be seen, replaced and attributed to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from compress_core.foundation.texts import Phrase
from compress_core.loading.onnx_file.network_plan import (
    ComputedValue,
    GraphValue,
    NetworkPlan,
    PlainNumber,
    in_short_digits,
    is_number,
)
from compress_core.loading.onnx_file.node_call import (
    NodeCall,
    NotOpenedError,
    axis_from_front,
    entry,
    one_item,
)
from compress_core.loading.onnx_file.operators.regrouping import regrouped
from compress_core.loading.onnx_file.sizes_per_item import whole

_SELU = 1.6732632423543772, 1.0507009873554805


def _module(operator: str, kind: str, given: Callable[[NodeCall], Mapping[str, Any]] = lambda _: {}) -> None:
    def opened(node: NodeCall, plan: NetworkPlan) -> GraphValue:
        value = node.real()
        return plan.layer(kind, given(node), value, value.shape, named=node.names)

    entry(operator, becomes=f"nn.{kind}", inputs=1)(opened)


def _selu(node: NodeCall) -> Mapping[str, Any]:
    for name, usual in zip(("alpha", "gamma"), _SELU, strict=True):
        if not math.isclose(node.real_number(name, usual), usual, rel_tol=1e-6):
            raise node.other(name)
    return {}


def _alpha(node: NodeCall, usual: float) -> float:
    return in_short_digits(node.real_number("alpha", usual))


def _gelu(node: NodeCall) -> Mapping[str, Any]:
    node.only("approximate", "none", "tanh")
    return {"approximate": node.text("approximate", "none")}


_module("Relu", "ReLU")
_module("Sigmoid", "Sigmoid")
_module("Tanh", "Tanh")
_module("HardSwish", "Hardswish")
_module("Softplus", "Softplus")
_module("Softsign", "Softsign")
_module("Mish", "Mish")
_module("Selu", "SELU", _selu)
_module("Gelu", "GELU", _gelu)
_module(
    "LeakyRelu",
    "LeakyReLU",
    lambda node: {"negative_slope": in_short_digits(node.real_number("alpha", 0.01))},
)
_module("Elu", "ELU", lambda node: {"alpha": in_short_digits(node.real_number("alpha", 1.0))})
_module("Celu", "CELU", lambda node: {"alpha": in_short_digits(node.real_number("alpha", 1.0))})


@entry("HardSigmoid", becomes="nn.Hardsigmoid, or torch.clamp", inputs=1)
def hard_sigmoid(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """torch's own has a slope of one sixth."""
    value, slope, offset = node.real(), node.real_number("alpha", 0.2), node.real_number("beta", 0.5)
    if np.float32(slope) == np.float32(1 / 6) and offset == 0.5:
        return plan.layer("Hardsigmoid", {}, value, value.shape, named=node.names)
    scaled = plan.step("mul", [value, PlainNumber(slope)], value.shape)
    moved = plan.step("add", [scaled, PlainNumber(offset)], value.shape)
    return plan.step("clamp", [moved], value.shape, low=0.0, high=1.0)


@entry("Clip", becomes="nn.ReLU, nn.ReLU6, nn.Hardtanh, or torch.clamp", inputs=3)
def clip(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Bounds are attributes before version 11, inputs since then; each may be left out."""
    value, (low, high) = node.real(), _bounds(node)
    if (low, high) == (0.0, math.inf):
        return plan.layer("ReLU", {}, value, value.shape, named=node.names)
    if (low, high) == (0.0, 6.0):
        return plan.layer("ReLU6", {}, value, value.shape, named=node.names)
    if -math.inf < low < high < math.inf:
        given = {"min_val": in_short_digits(low), "max_val": in_short_digits(high)}
        return plan.layer("Hardtanh", given, value, value.shape, named=node.names)
    if (low, high) == (-math.inf, math.inf):
        return value
    lowest, highest = None if low == -math.inf else low, None if high == math.inf else high
    return plan.step("clamp", [value], value.shape, low=lowest, high=highest)


def _bounds(node: NodeCall) -> tuple[float, float]:
    largest = float(np.finfo(np.float32).max)
    if node.version < 11:
        low, high = node.real_number("min", -largest), node.real_number("max", largest)
    else:
        low, high = _bound(node, 1, -math.inf), _bound(node, 2, math.inf)
    if math.isnan(low) or math.isnan(high):
        raise NotOpenedError(Phrase("its bound is {value}", value="NaN"))
    return (-math.inf if low <= -largest else low), (math.inf if high >= largest else high)


def _bound(node: NodeCall, at: int, default: float) -> float:
    known = node.known_or_none(at)
    if known is None:
        return default
    if not is_number(known):
        raise NotOpenedError(Phrase("its input {number} must be one number", number=at + 1))
    return float(known.values.reshape(()))


@entry("PRelu", becomes="nn.PReLU", inputs=2)
def prelu(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """One slope, or one for each channel."""
    value, slope = node.real(), node.weights(1)
    rank, count = len(value.shape), slope.values.size
    aligned = (1,) * (rank - len(slope.shape)) + slope.shape
    channels = (*aligned[:1], *aligned[2:]) if rank > 1 else ()
    if count != 1 and (len(aligned) != rank or any(size != 1 for size in channels)):
        raise NotOpenedError(Phrase("its slopes have the shape {shape}", shape=list(slope.shape)))
    tensors = {"weight": slope.reshaped((slope.values.size,))}
    return plan.layer(
        "PReLU", {"num_parameters": count}, value, value.shape, tensors=tensors, named=node.names
    )


@entry("Softmax", "LogSoftmax", becomes="nn.Softmax, nn.LogSoftmax", inputs=1)
def softmax(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Before version 13 over all axes from the one that is named, since then over that one."""
    value, kind = node.real(), node.node.operator
    axis = axis_from_front(node.whole("axis", 1 if node.version < 13 else -1), len(value.shape))
    one_item(value.shape, axis)
    if node.version >= 13 or all(size == 1 for size in value.shape[axis + 1 :]):
        return plan.layer(kind, {"dim": axis}, value, value.shape, named=node.names)
    flat: ComputedValue = regrouped(
        plan, value, (*value.shape[:axis], math.prod(map(whole, value.shape[axis:])))
    )
    made = plan.layer(kind, {"dim": axis}, flat, flat.shape, named=node.names)
    return regrouped(plan, made, value.shape)
