"""Operators that work on each value by itself, or on two that stand at the same place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.network_plan import (
    FLOAT,
    ComputedValue,
    GraphValue,
    KnownValue,
    NetworkPlan,
    Operand,
    PlainNumber,
    is_number,
    literal,
)
from compress_core.loading.onnx_file.node_call import NodeCall, NotOpenedError, Operator, entry, folded_entry
from compress_core.loading.onnx_file.operators.joining import joined_product, joined_sum
from compress_core.loading.onnx_file.operators.regrouping import shape_text
from compress_core.loading.onnx_file.sizes_per_item import (
    BatchSizeError,
    Shape,
    broadcast,
    per_item,
    without_items,
)

_Array = NDArray[Any]
_WHOLE_KINDS = frozenset({"int64", "int32"})


def common_shape_of(*shapes: Shape) -> Shape:
    """The shape of what is spread over one another."""
    try:
        return broadcast(*shapes)
    except BatchSizeError:
        raise
    except ValueError:
        told = " and ".join(map(shape_text, shapes))
        raise NotOpenedError(Phrase("its inputs have the shapes {shapes}", shapes=told)) from None


def common_shape(*values: GraphValue) -> Shape:
    """The shape of values that are spread over one another."""
    return common_shape_of(*(value.shape for value in values))


def read_as(value: GraphValue, rank: int) -> GraphValue | PlainNumber:
    """A constant of one value as a plain number, where that leaves the shape of the result alone."""
    if (
        isinstance(value, KnownValue)
        and is_number(value)
        and len(value.shape) <= rank
        and value.kind != "bool"
    ):
        return literal(value)
    return value


def _ranks(values: tuple[GraphValue, ...]) -> int:
    return max((len(value.shape) for value in values if isinstance(value, ComputedValue)), default=0)


def elementwise(call: str, *, of: str = "", made: str = "") -> Operator:
    """An operator of two values; `of` and `made` name types of numbers where they are not simply the same."""

    def opened(node: NodeCall, plan: NetworkPlan) -> GraphValue:
        values = node.value(0), node.value(1)
        kinds = {value.kind for value in values}
        if len(kinds) > 1 or (of and kinds != {of}):
            raise NotOpenedError(
                Phrase("its inputs are of the types {kinds}", kinds=", ".join(sorted(kinds)))
            )
        (kind,) = kinds
        name = "div_whole" if call == "div" and kind in _WHOLE_KINDS else call
        rank = _ranks(values)
        return plan.step(name, [read_as(v, rank) for v in values], common_shape(*values), made or kind)

    return opened


def _folding(function: Callable[..., Any]) -> Callable[[NodeCall, NetworkPlan], _Array]:
    """The same on constants, sizes among them."""

    def folded(node: NodeCall, plan: NetworkPlan) -> _Array:
        values = [node.known(at) for at in range(len(node.given))]
        shape = common_shape(*values)
        plan.spend(math.prod(map(per_item, shape)))
        with np.errstate(all="ignore"):
            return without_items(np.asarray(function(*(value.values for value in values))))

    return folded


def _divided(one: _Array, other: _Array) -> _Array:
    """Whole numbers are divided towards zero."""
    if one.dtype.kind == "f":
        return np.asarray(one / other)
    if "O" in {one.dtype.kind, other.dtype.kind}:
        return np.asarray(one.astype(object) // other.astype(object))
    if not np.all(other):
        raise NotOpenedError(N_("it divides by zero"))
    return np.asarray((np.abs(one) // np.abs(other)) * (np.sign(one) * np.sign(other))).astype(one.dtype)


def _to_the_power(one: _Array, other: _Array) -> _Array:
    return np.asarray(np.power(one, other.astype(one.dtype)))


def _two(operator: str, call: str, function: Callable[..., Any], **kinds: str) -> None:
    entry(operator, becomes=f"torch.{call}", inputs=2, folded=_folding(function))(elementwise(call, **kinds))


_two("Sub", "sub", np.subtract)
_two("Div", "div", _divided)
_two("Equal", "eq", lambda one, other: np.asarray(one == other, dtype=np.bool_), made="bool")
_two("Less", "lt", np.less, made="bool")
_two("LessOrEqual", "le", np.less_equal, made="bool")
_two("Greater", "gt", np.greater, made="bool")
_two("GreaterOrEqual", "ge", np.greater_equal, made="bool")
_two("And", "logical_and", np.logical_and, of="bool")
_two("Or", "logical_or", np.logical_or, of="bool")
_two("Xor", "logical_xor", np.logical_xor, of="bool")


@entry(
    "Add",
    becomes="torch.add; the bias of nn.Linear; nn.LayerNorm, nn.GroupNorm",
    inputs=2,
    folded=_folding(np.add),
)
def add(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """A constant behind a linear layer is its bias."""
    for one, other in ((node.value(0), node.value(1)), (node.value(1), node.value(0))):
        if isinstance(one, ComputedValue) and isinstance(other, KnownValue) and _is_bias(one, other, node):
            bias = other.reshaped((other.values.size,))
            plan.give_bias(one, bias)
            return ComputedValue(one.number, one.shape, one.kind)
    read = _read(node)
    return joined_sum(plan, *read, node.names) or elementwise("add")(node, plan)  # type: ignore[return-value]  # one value


def _read(node: NodeCall) -> tuple[Operand, Operand]:
    """Both inputs as a step reads them."""
    values = node.value(0), node.value(1)
    rank = _ranks(values)
    return read_as(values[0], rank), read_as(values[1], rank)


@entry("Mul", becomes="torch.mul; nn.SiLU, nn.GELU, nn.RMSNorm", inputs=2, folded=_folding(np.multiply))
def multiply(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """With what stands before it, it may be an activation or a norm."""
    read = _read(node)
    return joined_product(plan, *read, node.names) or elementwise("mul")(node, plan)  # type: ignore[return-value]  # one value


def _is_bias(one: ComputedValue, other: KnownValue, node: NodeCall) -> bool:
    draft = one.layer
    if draft is None or draft.calls != 1 or "bias" in draft.tensors or not node.read_once(one):
        return False
    rows = draft.given["out_features"]
    fits = other.kind == FLOAT and 1 <= len(other.shape) <= len(one.shape)
    return fits and other.values.size == rows == other.shape[-1]


@entry("Pow", becomes="torch.pow", inputs=2, folded=_folding(_to_the_power))
def power(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """To a constant power of any type, or to one of the same type."""
    base, exponent = node.value(0), node.value(1)
    if base.kind != FLOAT:
        raise NotOpenedError(Phrase("its inputs are of the types {kinds}", kinds=base.kind))
    if isinstance(exponent, KnownValue):
        exponent = (
            exponent if exponent.kind == FLOAT else exponent.changed(exponent.values.astype(np.float32))
        )
    rank = _ranks((base, exponent))
    return plan.step("pow", [read_as(base, rank), read_as(exponent, rank)], common_shape(base, exponent))


@entry("Where", becomes="torch.where", inputs=3, folded=_folding(np.where))
def where(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """One value or the other."""
    condition, one, other = (node.value(at) for at in range(3))
    if condition.kind != "bool" or one.kind != other.kind:
        raise NotOpenedError(
            Phrase("its inputs are of the types {kinds}", kinds=f"{condition.kind}, {one.kind}, {other.kind}")
        )
    shape, rank = common_shape(condition, one, other), _ranks((condition, one, other))
    read = [read_as(one, rank), read_as(other, rank)]
    if all(isinstance(each, PlainNumber) for each in read):
        read[0] = one  # torch makes the type of two plain numbers itself
    return plan.step("where", [condition, *read], shape, one.kind)


def _one(operator: str, call: str, function: Callable[..., Any], *, of: str = FLOAT, made: str = "") -> None:
    def opened(node: NodeCall, plan: NetworkPlan) -> GraphValue:
        value = node.computed()
        if value.kind != of and not (of == FLOAT and call in {"neg", "abs"} and value.kind in _WHOLE_KINDS):
            raise NotOpenedError(
                Phrase(
                    "its input {number} is of type {kind}, not {wanted}", number=1, kind=value.kind, wanted=of
                )
            )
        return plan.step(call, [value], value.shape, made or value.kind)

    entry(operator, becomes=f"torch.{call}", inputs=1, folded=_folding(function))(opened)


def _erf(values: _Array) -> _Array:
    flat = [math.erf(each) for each in values.reshape(-1).tolist()]
    return np.asarray(flat, dtype=values.dtype).reshape(values.shape)


_one("Sqrt", "sqrt", np.sqrt)
_one("Neg", "neg", np.negative)
_one("Exp", "exp", np.exp)
_one("Log", "log", np.log)
_one("Abs", "abs", np.abs)
_one("Reciprocal", "reciprocal", np.reciprocal)
_one("Floor", "floor", np.floor)
_one("Ceil", "ceil", np.ceil)
_one("Round", "round", np.round)
_one("Sign", "sign", np.sign)
_one("Sin", "sin", np.sin)
_one("Cos", "cos", np.cos)
_one("Erf", "erf", _erf)
_one("IsNaN", "isnan", np.isnan, made="bool")
_one("Not", "logical_not", np.logical_not, of="bool")


def _many(operator: str, call: str, function: Callable[..., Any]) -> None:
    """Operators of any number of values, two at a time."""

    def opened(node: NodeCall, plan: NetworkPlan) -> GraphValue:
        values = [node.value(at) for at in range(len(node.given))]
        if len({value.kind for value in values}) > 1 or len(values) < 1:
            kinds = ", ".join(value.kind for value in values)
            raise NotOpenedError(Phrase("its inputs are of the types {kinds}", kinds=kinds))
        result = values[0]
        for other in values[1:]:
            result = plan.step(call, [result, other], common_shape(result, other), other.kind)
        return result

    def folded(node: NodeCall, plan: NetworkPlan) -> _Array:
        values = [node.known(at) for at in range(len(node.given))]
        plan.spend(math.prod(map(per_item, common_shape(*values))) * len(values))
        result = values[0].values
        for other in values[1:]:
            result = function(result, other.values)
        return without_items(np.asarray(result))

    entry(operator, becomes=f"torch.{call}", inputs=4096, folded=folded)(opened)


_many("Min", "minimum", np.minimum)
_many("Max", "maximum", np.maximum)
_many("Sum", "add", np.add)


@folded_entry("Mod", becomes="worked out when the file is opened", inputs=2)
def remainder(node: NodeCall, plan: NetworkPlan) -> _Array:
    """What is left of sizes."""
    node.only("fmod", 0)
    one, other = node.known(0), node.known(1)
    if one.values.dtype.kind != "i" or other.values.dtype.kind != "i" or not np.all(other.values):
        raise NotOpenedError(Phrase("its inputs are of the types {kinds}", kinds=f"{one.kind}, {other.kind}"))
    plan.spend(math.prod(map(per_item, common_shape(one, other))))
    return np.asarray(np.mod(one.values, other.values))
