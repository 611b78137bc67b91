"""Operators that move values about: shapes, parts, copies. What they do to constants is done at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.network_plan import (
    ComputedValue,
    GraphValue,
    KnownValue,
    NetworkPlan,
    is_number,
)
from compress_core.loading.onnx_file.node_call import (
    MIXES_ITEMS,
    NodeCall,
    NotOpenedError,
    axes_from_front,
    axis_from_front,
    entry,
    folded_entry,
    one_item,
)
from compress_core.loading.onnx_file.operators.pointwise import common_shape_of
from compress_core.loading.onnx_file.operators.regrouping import regrouped, resolved
from compress_core.loading.onnx_file.sizes_per_item import (
    BatchSizeError,
    PerItem,
    Shape,
    Size,
    is_per_item,
    per_item,
    product,
    size_vector,
    whole,
    without_items,
)
from compress_core.loading.onnx_file.tensor_values import number_kind, values_of

_Array = NDArray[Any]
_FAR = 2**31 - 1  # as an end it means: to the end
_LARGEST = 2**40


# Shapes -----------------------------------------------------------------------------------------------------


def _in_shape(plan: NetworkPlan, value: GraphValue, shape: Shape) -> GraphValue:
    if isinstance(value, KnownValue):
        if product(shape) != (value.values.size, 0):
            raise NotOpenedError(N_("it asks for a shape that cannot be"))
        return value.reshaped([whole(size) for size in shape])
    return value if value.shape == shape else regrouped(plan, value, shape)


@entry("Reshape", becomes="torch.flatten, torch.unflatten", inputs=2)
def reshape(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """To sizes that are constant, or follow from sizes."""
    value, wanted = node.value(0), node.numbers(1)
    if wanted is None:
        raise NotOpenedError(Phrase("it has no input {number}", number=2))
    if node.whole("allowzero", 0) and 0 in wanted:
        raise node.other("allowzero")
    return _in_shape(plan, value, resolved(value.shape, wanted, plan.fixed))


@entry("Flatten", becomes="torch.flatten", inputs=1)
def flattened(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Two axes are left."""
    value = node.value(0)
    axis, rank = node.whole("axis", 1), len(value.shape)
    axis = axis if axis == rank else axis_from_front(axis, rank)
    sizes: list[Size] = []
    for part in (value.shape[:axis], value.shape[axis:]):
        times, of_items = product(part)
        sizes.append(PerItem(times) if of_items else times)
    if axis == 0 and any(map(is_per_item, value.shape)):
        raise NotOpenedError(MIXES_ITEMS)
    return _in_shape(plan, value, tuple(sizes))


def _axes(node: NodeCall, since: int) -> list[int] | None:
    """Axes as an attribute before a version, as an input since then."""
    if node.version < since:
        return node.wholes_or_none("axes")
    return node.numbers(1)


@entry("Squeeze", becomes="torch.flatten", inputs=2)
def squeeze(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Axes of one value are left out."""
    value, axes = node.value(0), _axes(node, 13)
    if axes is None and plan.fixed == 1 and any(map(is_per_item, value.shape)):
        raise BatchSizeError
    rank = len(value.shape)
    left_out = (
        [at for at, s in enumerate(value.shape) if s == 1] if axes is None else axes_from_front(axes, rank)
    )
    if any(one_item(value.shape, at) != 1 for at in left_out):
        raise NotOpenedError(N_("it leaves out an axis with more than one value"))
    return _in_shape(plan, value, tuple(s for at, s in enumerate(value.shape) if at not in left_out))


@entry("Unsqueeze", becomes="torch.unflatten", inputs=2)
def unsqueeze(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Axes of one value are put in."""
    value, axes = node.value(0), _axes(node, 13)
    if axes is None:
        raise NotOpenedError(Phrase("it has no attribute {name}", name="axes"))
    new = axes_from_front(axes, len(value.shape) + len(axes))
    old = iter(value.shape)
    return _in_shape(
        plan, value, tuple(1 if at in new else next(old) for at in range(len(value.shape) + len(new)))
    )


@entry("Transpose", becomes="torch.permute", inputs=1)
def transpose(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Axes in another order."""
    value = node.value(0)
    rank = len(value.shape)
    order = node.wholes("perm", tuple(reversed(range(rank))))
    if sorted(order) != list(range(rank)):
        raise node.other("perm")
    if order == list(range(rank)):
        return value
    if isinstance(value, KnownValue):
        return value.turned() if rank == 2 else value.changed(value.values.transpose(order))
    return plan.step("permute", [value], tuple(value.shape[at] for at in order), value.kind, axes=order)


@entry("Identity", "Dropout", becomes="left out", inputs=3)
def unchanged(node: NodeCall, _plan: NetworkPlan) -> GraphValue:
    """Dropout does nothing while a network is used."""
    if node.node.operator == "Dropout":
        node.real_number("ratio", 0.5)
        node.whole("seed", 0)
        training = node.known_or_none(2)
        if training is not None and bool(np.any(training.values)):
            raise NotOpenedError(N_("it is set to training"))
    return node.value(0)


# Sizes and constants ----------------------------------------------------------------------------------------


@entry("Shape", becomes="worked out when the file is opened", inputs=1)
def sizes_of_value(node: NodeCall, _plan: NetworkPlan) -> GraphValue:
    """The sizes of a value, of which that of the items stays open."""
    sizes = node.value(0).shape
    rank = len(sizes)
    ends = [node.whole("start", 0), node.whole("end", rank)]
    start, end = (min(rank, max(0, at + rank if at < 0 else at)) for at in ends)
    return KnownValue(size_vector(sizes[start:end]))


@entry("Size", becomes="worked out when the file is opened", inputs=1)
def size_of(node: NodeCall, _plan: NetworkPlan) -> GraphValue:
    """How many values there are."""
    times, of_items = product(node.value(0).shape)
    vector = size_vector([PerItem(times) if of_items else times])
    return KnownValue(vector.reshape(()))


@folded_entry("Constant", becomes="worked out when the file is opened", inputs=0)
def constant(node: NodeCall, _plan: NetworkPlan) -> _Array:
    """A tensor, or numbers, in an attribute."""
    tensor = node.tensor("value")
    if tensor is not None:
        return values_of(tensor)
    for name, kind in (("value_float", np.float32), ("value_int", np.int64)):
        if node.holds(name):
            return np.array(node.real_number(name) if kind is np.float32 else node.whole(name), dtype=kind)
    if node.holds("value_ints"):
        return np.array(node.wholes("value_ints"), dtype=np.int64)
    return np.array(node.reals("value_floats"), dtype=np.float32)


@entry("ConstantOfShape", becomes="torch.full", inputs=1)
def constant_of_shape(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """One value everywhere."""
    sizes, tensor = node.numbers(0), node.tensor("value")
    filling = np.zeros(1, dtype=np.float32) if tensor is None else values_of(tensor)
    if filling.size != 1 or sizes is None or any(not is_per_item(s) and s < 0 for s in sizes):
        raise NotOpenedError(N_("it asks for a shape that cannot be"))
    if any(map(is_per_item, sizes)):
        value = KnownValue(filling.reshape((1,) * len(sizes)))
        return expanded(plan, value, tuple(sizes))
    plan.spend(math.prod(sizes))
    return KnownValue(np.full(sizes, filling.reshape(()), dtype=filling.dtype))


def _numbers_in_range(node: NodeCall, plan: NetworkPlan) -> _Array:
    """Numbers at equal distances."""
    ends = [node.known(at).values for at in range(3)]
    start, end, step = (each.reshape(()).item() for each in ends)
    if not step or not all(map(math.isfinite, (start, end, step))):
        raise NotOpenedError(N_("it asks for a shape that cannot be"))
    count = max(0, math.ceil((end - start) / step))
    plan.spend(min(count, _LARGEST))
    return np.asarray((start + np.arange(count) * step).astype(ends[0].dtype))


@entry("Range", becomes="torch.arange, for the number of items", inputs=3)
def numbers_in_range(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Of constants at once; from 0 to so many for each item where it runs."""
    ends = [node.known(at).values.reshape(-1).tolist() for at in range(3)]
    if any(len(each) != 1 for each in ends):
        raise NotOpenedError(N_("its numbers do not fit one another"))
    (start,), (end,), (step,) = ends
    if not isinstance(end, PerItem):
        return KnownValue(_numbers_in_range(node, plan))
    if is_per_item(start) or start != 0 or step != 1:
        raise BatchSizeError
    return plan.step("arange", [plan.items], (end,), "int64", each=end.times)


@entry("Cast", becomes="Tensor.to", inputs=1)
def cast(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Another type of numbers."""
    value, kind = node.value(0), number_kind(node.whole("to"), node.node.name)
    node.only("saturate", 1)
    node.only("round_mode", "up")
    if isinstance(value, KnownValue):
        if value.values.dtype == object:
            if kind.kind != "i":
                raise BatchSizeError
            return value
        if value.values.dtype == kind:
            return value
        with np.errstate(all="ignore"):
            return value.changed(value.values.astype(kind))
    if str(kind) == value.kind:
        return value
    if str(kind) not in {"float32", "int64", "int32", "bool"}:
        raise NotOpenedError(Phrase("it computes with numbers of type {kind}", kind=str(kind)))
    return plan.step("cast", [value], value.shape, str(kind), to=str(kind))


# Together and spread out -----------------------------------------------------------------------------------


@entry("Concat", becomes="torch.cat", inputs=4096)
def concat(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Parts side by side."""
    values = [node.value(at) for at in range(len(node.given))]
    ranks, kinds = {len(value.shape) for value in values}, {value.kind for value in values}
    if len(ranks) != 1 or len(kinds) != 1:
        raise NotOpenedError(N_("its inputs have several ranks or types"))
    axis = axis_from_front(node.whole("axis"), ranks.pop())
    if all(isinstance(value, KnownValue) for value in values):
        return _joined([value for value in values if isinstance(value, KnownValue)], axis, plan)
    values = _with_items(plan, values)
    rest = {(*value.shape[:axis], *value.shape[axis + 1 :]) for value in values}
    if len(rest) != 1:
        raise NotOpenedError(N_("its inputs differ in other sizes than that of their axis"))
    size = sum(one_item(value.shape, axis) for value in values)
    first = values[0].shape
    return plan.step("cat", list(values), (*first[:axis], size, *first[axis + 1 :]), kinds.pop(), axis=axis)


def _joined(values: Sequence[KnownValue], axis: int, plan: NetworkPlan) -> KnownValue:
    plan.spend(sum(value.values.size for value in values))
    try:
        found = np.concatenate([value.values for value in values], axis=axis)
    except ValueError:
        raise NotOpenedError(N_("its inputs differ in other sizes than that of their axis")) from None
    return KnownValue(without_items(found), is_coded=any(value.is_coded for value in values))


def _with_items(plan: NetworkPlan, values: Sequence[GraphValue]) -> list[GraphValue]:
    """Constants that were written for one item stand beside each item, in a file that takes one only."""
    if plan.fixed != 1:
        return list(values)
    at = next((n for v in values for n, size in enumerate(v.shape) if size == PerItem(1)), None)
    if at is None:
        return list(values)
    return [
        expanded(plan, v, (*v.shape[:at], PerItem(1), *v.shape[at + 1 :])) if v.shape[at] == 1 else v
        for v in values
    ]


@entry("Expand", becomes="Tensor.expand", inputs=2)
def expand(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """One value in many places."""
    value, wanted = node.value(0), node.numbers(1)
    if wanted is None or any(not is_per_item(s) and s < 1 for s in wanted):
        raise NotOpenedError(N_("it asks for a shape that cannot be"))
    return expanded(plan, value, common_shape_of(value.shape, tuple(wanted)))


def expanded(plan: NetworkPlan, value: GraphValue, shape: Shape) -> GraphValue:
    """A value spread over a shape that it fits."""
    if value.shape == shape:
        return value
    if isinstance(value, KnownValue) and not any(map(is_per_item, shape)):
        sizes = [whole(size) for size in shape]
        plan.spend(math.prod(sizes))
        return value.changed(np.array(np.broadcast_to(value.values, sizes)))
    padded: Shape = (1,) * (len(shape) - len(value.shape)) + value.shape
    new_axes = len(shape) - len(value.shape)
    sizes_told = [
        -1
        if old == size and at >= new_axes
        else ({"per_item": size.times} if isinstance(size, PerItem) else size)
        for at, (old, size) in enumerate(zip(padded, shape, strict=True))
    ]
    return plan.step("expand", [value, plan.items], shape, value.kind, sizes=sizes_told)


@entry("Tile", becomes="Tensor.repeat", inputs=2)
def tile(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Copies side by side."""
    value, times = node.value(0), node.numbers(1)
    if times is None or len(times) != len(value.shape) or any(not is_per_item(t) and t < 1 for t in times):
        raise NotOpenedError(N_("its numbers do not fit one another"))
    if any(map(is_per_item, times)):
        if any(size != 1 for size, count in zip(value.shape, times, strict=True) if is_per_item(count)):
            raise NotOpenedError(MIXES_ITEMS)
        spread_out = zip(value.shape, times, strict=True)
        value = expanded(plan, value, tuple(c if is_per_item(c) else size for size, c in spread_out))
        times = [1 if is_per_item(count) else count for count in times]
    if any(is_per_item(size) and count != 1 for size, count in zip(value.shape, times, strict=True)):
        raise NotOpenedError(MIXES_ITEMS)
    shape = tuple(
        size * count if count != 1 else size for size, count in zip(value.shape, times, strict=True)
    )
    if isinstance(value, KnownValue):
        plan.spend(math.prod(map(per_item, shape)))
        return value.changed(np.tile(value.values, times))
    return value if shape == value.shape else plan.step("repeat", [value], shape, value.kind, times=times)


_MODES = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@entry("Pad", becomes="F.pad", inputs=4)
def pad(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Values around the edges."""
    value, mode = node.computed(), node.text("mode", "constant")
    before, after = _amounts(node, len(value.shape))
    filling = _filling(node)
    if any(is_per_item(s) and (b or a) for s, b, a in zip(value.shape, before, after, strict=True)):
        raise NotOpenedError(MIXES_ITEMS)
    if not any(before) and not any(after):
        return value
    shape = tuple(
        s if is_per_item(s) else whole(s) + b + a for s, b, a in zip(value.shape, before, after, strict=True)
    )
    if any(per_item(size) < 1 for size in shape):
        raise NotOpenedError(N_("it asks for a shape that cannot be"))
    if mode == "constant":
        return padded(plan, value, shape, (before, after), filling)
    if mode not in _MODES or not _can_mirror(value.shape, before, after, mode):
        raise node.other("mode")
    amounts = [each for pair in zip(before[2:], after[2:], strict=True) for each in pair]
    pairs = [amounts[at : at + 2] for at in range(0, len(amounts), 2)]
    told = [each for pair in reversed(pairs) for each in pair]
    return plan.step("pad", [value], shape, value.kind, pads=told, mode=_MODES[mode])


def padded(
    plan: NetworkPlan,
    value: ComputedValue,
    shape: Shape,
    amounts: tuple[Sequence[int], Sequence[int]],
    filling: float,
) -> ComputedValue:
    """One number around the edges; torch counts axes from the last."""
    before, after = (list(each) for each in amounts)
    while before and not before[0] and not after[0]:
        before, after = before[1:], after[1:]
    told = [each for b, a in zip(reversed(before), reversed(after), strict=True) for each in (b, a)]
    return plan.step("pad", [value], shape, value.kind, pads=told, filling=filling)


def _amounts(node: NodeCall, rank: int) -> tuple[list[int], list[int]]:
    amounts = node.wholes("pads") if node.version < 11 else node.numbers(1)
    axes = node.numbers(3)
    if amounts is None or any(is_per_item(each) or abs(each) > _LARGEST for each in amounts):
        raise NotOpenedError(N_("its numbers do not fit one another"))
    axes = list(range(rank)) if axes is None else [axis_from_front(axis, rank) for axis in axes]
    if len(amounts) != 2 * len(axes) or len(set(axes)) != len(axes):
        raise NotOpenedError(N_("its numbers do not fit one another"))
    before, after = [0] * rank, [0] * rank
    for at, axis in enumerate(axes):
        before[axis], after[axis] = amounts[at], amounts[len(axes) + at]
    return before, after


def _filling(node: NodeCall) -> float:
    if node.version < 11:
        return node.real_number("value", 0.0)
    known = node.known_or_none(2)
    if known is not None and not is_number(known):
        raise NotOpenedError(Phrase("its input {number} must be one number", number=3))
    return 0.0 if known is None else float(known.values.reshape(()))


def _can_mirror(shape: Shape, before: Sequence[int], after: Sequence[int], mode: str) -> bool:
    """torch mirrors along all axes behind the second, and no further than there are values."""
    if len(shape) not in {3, 4, 5} or any((*before[:2], *after[:2])) or min((*before, *after)) < 0:
        return False
    most = (per_item(size) - (mode == "reflect") for size in shape)
    return mode == "edge" or all(max(b, a) <= m for b, a, m in zip(before, after, most, strict=True))


@entry("DepthToSpace", becomes="nn.PixelShuffle", inputs=1)
def depth_to_space(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Channels become pixels, in the order of torch only."""
    value, block = node.real(), node.whole("blocksize")
    node.only("mode", "CRD", default="DCR")
    if len(value.shape) != 4 or block < 1 or one_item(value.shape, 1) % block**2:
        raise node.other("blocksize")
    items, channels, height, width = value.shape
    shape = (items, whole(channels) // block**2, whole(height) * block, whole(width) * block)
    return plan.layer("PixelShuffle", {"upscale_factor": block}, value, shape, named=node.names)
