"""Operators with weights become the layers of torch: convolutions and linear layers."""

from __future__ import annotations

import math

import numpy as np

from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.network_plan import (
    FLOAT,
    ComputedValue,
    GraphValue,
    KnownValue,
    NetworkPlan,
    PlainNumber,
)
from compress_core.loading.onnx_file.node_call import MIXES_ITEMS, NodeCall, NotOpenedError, entry, one_item
from compress_core.loading.onnx_file.operators.pointwise import common_shape_of
from compress_core.loading.onnx_file.operators.windows import Windows, windows, with_edges
from compress_core.loading.onnx_file.sizes_per_item import per_item, values_for_one


def _checked_groups(node: NodeCall, value: ComputedValue, weight: KnownValue, channels: int) -> int:
    """In how many groups channels are divided; the input has so many channels."""
    groups = node.whole("group", 1)
    if groups < 1 or one_item(value.shape, 1) != channels * (groups if node.node.operator == "Conv" else 1):
        raise NotOpenedError(
            Phrase(
                "its input has {got} channels, its weight is {shape} in {groups} groups",
                got=str(value.shape[1]),
                shape=list(weight.shape),
                groups=groups,
            )
        )
    if weight.shape[0] % groups:
        raise node.other("group")
    return groups


def _checked_weight(node: NodeCall, value: ComputedValue) -> KnownValue:
    weight = node.weights(1)
    if len(weight.shape) not in {3, 4, 5} or len(value.shape) != len(weight.shape) or 0 in weight.shape:
        raise NotOpenedError(
            Phrase(
                "its input {number} is {kind} of shape {shape}",
                number=2,
                kind=weight.kind,
                shape=list(weight.shape),
            )
        )
    if any(not isinstance(size, int) for size in value.shape[1:]):
        raise NotOpenedError(MIXES_ITEMS)
    kernel = node.wholes("kernel_shape", weight.shape[2:])
    if tuple(kernel) != weight.shape[2:]:
        raise node.other("kernel_shape")
    return weight


def _bias(node: NodeCall, rows: int) -> KnownValue | None:
    return None if node.optional(2) is None else node.weights(2, (rows,))


@entry("Conv", becomes="nn.Conv1d, nn.Conv2d, nn.Conv3d", inputs=3)
def conv(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Edges that are not even are added before."""
    value = node.real()
    weight = _checked_weight(node, value)
    groups = _checked_groups(node, value, weight, weight.shape[1])
    found, bias = windows(node, value, weight.shape[2:]), _bias(node, weight.shape[0])
    shape = (value.shape[0], weight.shape[0], *found.counts())
    if not found.is_even:
        value = with_edges(plan, value, found, 0.0)
    given = {
        "in_channels": weight.shape[1] * groups,
        "out_channels": weight.shape[0],
        **_window(found, found.before if found.is_even else (0,) * len(found.sizes)),
        "groups": groups,
        "bias": bias is not None,
    }
    return plan.layer(
        f"Conv{len(found.sizes)}d",
        given,
        value,
        shape,
        tensors={"weight": weight, "bias": bias},
        named=node.names,
        multiplications=values_for_one(shape) * math.prod(weight.shape[1:]),
    )


def _window(found: Windows, padding: tuple[int, ...]) -> dict[str, list[int]]:
    return {
        "kernel_size": list(found.kernel),
        "stride": list(found.strides),
        "padding": list(padding),
        "dilation": list(found.dilations),
    }


@entry("ConvTranspose", becomes="nn.ConvTranspose1d, 2d, 3d", inputs=3)
def conv_transpose(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """What is cut off at the end alone is output padding."""
    value = node.real()
    weight = _checked_weight(node, value)
    groups = _checked_groups(node, value, weight, weight.shape[0])
    node.only("auto_pad", "NOTSET", "VALID")
    found, rows = windows(node, value, weight.shape[2:]), weight.shape[1] * groups
    bias, more = _bias(node, rows), node.wholes("output_padding", (0,) * len(found.sizes))
    if len(more) != len(found.sizes):
        raise node.other("output_padding")
    added = [m + b - a for m, b, a in zip(more, found.before, found.after, strict=True)]
    if any(not 0 <= a < max(s, d) for a, s, d in zip(added, found.strides, found.dilations, strict=True)):
        raise node.other("pads" if not any(more) else "output_padding")
    along = zip(found.sizes, found.strides, found.reach, found.before, added, strict=True)
    made = tuple((size - 1) * stride + reach - 2 * before + a for size, stride, reach, before, a in along)
    if min(made) < 1:
        raise NotOpenedError(N_("it asks for a shape that cannot be"))
    given = {
        "in_channels": weight.shape[0],
        "out_channels": rows,
        **_window(found, found.before),
        "output_padding": added,
        "groups": groups,
        "bias": bias is not None,
    }
    return plan.layer(
        f"ConvTranspose{len(found.sizes)}d",
        given,
        value,
        (value.shape[0], rows, *made),
        tensors={"weight": weight, "bias": bias},
        named=node.names,
        multiplications=values_for_one(value.shape) * math.prod(weight.shape[1:]),
    )


@entry("MatMul", becomes="nn.Linear, torch.matmul", inputs=2)
def matmul(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """With a constant on the right it is a linear layer."""
    one, other = node.value(0), node.value(1)
    if one.kind != FLOAT or other.kind != FLOAT or min(len(one.shape), len(other.shape)) < 2:
        raise NotOpenedError(
            Phrase("its inputs have the shapes {shapes}", shapes=f"{len(one.shape)}-d, {len(other.shape)}-d")
        )
    if isinstance(one, ComputedValue) and isinstance(other, KnownValue) and len(other.shape) == 2:
        return linear(node, plan, one, other.turned(), None)
    return _multiplied(plan, one, other)


def linear(
    node: NodeCall, plan: NetworkPlan, value: ComputedValue, weight: KnownValue, bias: KnownValue | None
) -> ComputedValue:
    """A linear layer with a weight [out, in] on the last axis of a value."""
    rows, columns = weight.shape
    if one_item(value.shape, len(value.shape) - 1) != columns or not rows or not columns:
        raise NotOpenedError(
            Phrase(
                "its input {number} is {kind} of shape {shape}", number=2, kind=FLOAT, shape=[columns, rows]
            )
        )
    shape = (*value.shape[:-1], rows)
    return plan.layer(
        "Linear",
        {"in_features": columns, "out_features": rows, "bias": bias is not None},
        value,
        shape,
        tensors={"weight": weight, "bias": bias},
        named=node.names,
        multiplications=values_for_one(shape) * columns,
    )


def _multiplied(plan: NetworkPlan, one: GraphValue, other: GraphValue) -> ComputedValue:
    """Two values [..., m, k] and [..., k, n]."""
    if one.shape[-1] != other.shape[-2] or not isinstance(one.shape[-1], int):
        raise NotOpenedError(
            Phrase("its inputs have the shapes {shapes}", shapes=f"{one.shape[-1]}, {other.shape[-2]}")
        )
    shape = (*common_shape_of(one.shape[:-2], other.shape[:-2]), one.shape[-2], other.shape[-1])
    return plan.multiplied(one, other, shape, values_for_one(shape) * per_item(one.shape[-1]))


@entry("Gemm", becomes="nn.Linear", inputs=3)
def gemm(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """alpha goes into the weight, beta into the bias."""
    alpha, beta = node.real_number("alpha", 1.0), node.real_number("beta", 1.0)
    one, other = node.real(), node.value(1)
    if len(one.shape) != 2 or len(other.shape) != 2 or other.kind != FLOAT:
        raise NotOpenedError(Phrase("its inputs have the shapes {shapes}", shapes=f"{other.kind}"))
    if node.whole("transA", 0):
        one = plan.step("permute", [one], one.shape[::-1], axes=[1, 0])
    is_turned = bool(node.whole("transB", 0))
    if isinstance(other, ComputedValue):
        other = plan.step("permute", [other], other.shape[::-1], axes=[1, 0]) if is_turned else other
        made = _scaled(plan, _multiplied(plan, one, other), alpha)
        return _plus(plan, made, node.optional(2), beta)
    weight = _times(other if is_turned else other.turned(), alpha)
    bias = _as_bias(node.optional(2), weight.shape[0], beta)
    made = linear(node, plan, one, weight, bias)
    return made if bias is not None else _plus(plan, made, node.optional(2), beta)


def _times(known: KnownValue, factor: float) -> KnownValue:
    return known if factor == 1 else known.changed(known.values * np.float32(factor))


def _as_bias(value: GraphValue | None, rows: int, factor: float) -> KnownValue | None:
    """A constant that is the same for every row of the result, as a bias [rows]."""
    if not isinstance(value, KnownValue) or value.kind != FLOAT or factor == 0:
        return None
    if value.shape in {(rows,), (1, rows)}:
        known = value.reshaped((value.values.size,))
        return _times(known, factor)
    if value.values.size == 1 and len(value.shape) <= 2:
        return _times(value.changed(np.full(rows, value.values.reshape(()), np.float32)), factor)
    return None


def _scaled(plan: NetworkPlan, value: ComputedValue, factor: float) -> ComputedValue:
    return value if factor == 1 else plan.step("mul", [value, PlainNumber(factor)], value.shape)


def _plus(plan: NetworkPlan, value: ComputedValue, other: GraphValue | None, factor: float) -> ComputedValue:
    if other is None or factor == 0:
        return value
    if other.kind != FLOAT or common_shape_of(value.shape, other.shape) != value.shape:
        raise NotOpenedError(
            Phrase(
                "its input {number} is {kind} of shape {shape}",
                number=3,
                kind=other.kind,
                shape=str(other.shape),
            )
        )
    scaled = _scaled(plan, other, factor) if isinstance(other, ComputedValue) else _times(other, factor)
    return plan.step("add", [value, scaled], value.shape)
