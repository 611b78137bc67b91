"""Operators that take some of the values: by place, by bounds, in parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.network_plan import ComputedValue, GraphValue, KnownValue, NetworkPlan
from compress_core.loading.onnx_file.node_call import (
    MIXES_ITEMS,
    NodeCall,
    NotOpenedError,
    axis_from_front,
    entry,
    one_item,
)
from compress_core.loading.onnx_file.sizes_per_item import BatchSizeError, is_per_item, whole, without_items

_Array = NDArray[Any]
_FAR = 2**31 - 1  # as an end it means: to the end
_WORDS = frozenset({"int64", "int32"})


@entry("Gather", becomes="nn.Embedding, torch.select, torch.index_select", inputs=2)
def gather(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Some places along an axis; with words as places it is an embedding."""
    value, places = node.value(0), node.value(1)
    axis = axis_from_front(node.whole("axis", 0), len(value.shape))
    if isinstance(places, KnownValue):
        return _picked(plan, value, places, axis)
    if places.kind not in _WORDS:
        raise NotOpenedError(Phrase("its input {number} must be whole numbers", number=2))
    if isinstance(value, ComputedValue) and not axis:
        return plan.step("take", [value, places], (*places.shape, *value.shape[1:]), value.kind)
    if isinstance(value, ComputedValue) or len(value.shape) != 2 or axis or value.kind != "float32":
        raise NotOpenedError(N_("its places depend on the items, and it looks into no table of rows"))
    rows, width = value.shape
    return plan.layer(
        "Embedding",
        {"num_embeddings": rows, "embedding_dim": width},
        places,
        (*places.shape, width),
        tensors={"weight": value},
        named=node.names,
    )


def _picked(plan: NetworkPlan, value: GraphValue, places: KnownValue, axis: int) -> GraphValue:
    size = one_item(value.shape, axis)
    if places.values.dtype == object or places.kind not in _WORDS:
        raise BatchSizeError
    indices = places.values.astype(np.int64)
    if indices.size and not (-size <= int(indices.min()) and int(indices.max()) < size):
        raise NotOpenedError(N_("it reaches beyond the end of its input"))
    indices = np.where(indices < 0, indices + size, indices)
    if isinstance(value, KnownValue):
        plan.spend(value.values.size // max(1, size) * indices.size)
        return value.changed(without_items(np.asarray(np.take(value.values, indices, axis=axis))))
    if indices.ndim > 1 or not indices.size:
        raise NotOpenedError(Phrase("its input {number} must be a list of places", number=2))
    before, after = value.shape[:axis], value.shape[axis + 1 :]
    if indices.ndim == 0:
        return plan.step("select", [value], (*before, *after), value.kind, axis=axis, place=int(indices))
    shape = (*before, indices.size, *after)
    return plan.step("index_select", [value, KnownValue(indices)], shape, value.kind, axis=axis)


def _elements(node: NodeCall, plan: NetworkPlan) -> _Array:
    """Of constants, one for each place."""
    known, places = node.known(0), node.known(1)
    axis = axis_from_front(node.whole("axis", 0), len(known.shape))
    size = known.shape[axis]
    if places.kind not in _WORDS or "O" in {known.values.dtype.kind, places.values.dtype.kind}:
        raise BatchSizeError
    plan.spend(places.values.size)
    indices = np.where(places.values < 0, places.values + size, places.values)
    return np.take_along_axis(known.values, indices, axis)


@entry("GatherElements", becomes="torch.gather", inputs=2, folded=_elements)
def gather_elements(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Of each place along an axis one."""
    value, places = node.value(0), node.value(1)
    axis = axis_from_front(node.whole("axis", 0), len(value.shape))
    one_item(value.shape, axis)
    rest = [(*each.shape[:axis], *each.shape[axis + 1 :]) for each in (value, places)]
    if rest[0] != rest[1] or places.kind not in _WORDS:
        raise NotOpenedError(N_("its inputs differ in other sizes than that of their axis"))
    return plan.step("gather", [value, places], places.shape, value.kind, axis=axis)


@entry("CumSum", becomes="torch.cumsum", inputs=2)
def cumulated(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """The sum of all that stands before along an axis, itself included."""
    value, axis = node.computed(), node.numbers(1)
    node.only("exclusive", 0)
    node.only("reverse", 0)
    if axis is None or len(axis) != 1 or is_per_item(axis[0]):
        raise NotOpenedError(Phrase("its input {number} must be one number", number=2))
    place = axis_from_front(axis[0], len(value.shape))
    one_item(value.shape, place)
    return plan.step("cumsum", [value], value.shape, value.kind, axis=place)


@entry("Slice", becomes="a slice", inputs=5)
def slice_of(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """From here to there along some axes."""
    value = node.value(0)
    starts, ends, axes, steps = _slice_arguments(node)
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise NotOpenedError(N_("its numbers do not fit one another"))
    axes = [axis_from_front(axis, len(value.shape)) for axis in axes]
    if len(set(axes)) != len(axes):
        raise NotOpenedError(N_("it names one axis twice"))
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        value = _sliced(plan, value, axis, (start, end, step))
    return value


def _slice_arguments(node: NodeCall) -> tuple[list[Any], list[Any], list[Any] | None, list[Any] | None]:
    if node.version < 10:
        return node.wholes("starts"), node.wholes("ends"), node.wholes_or_none("axes"), None
    starts, ends = node.numbers(1), node.numbers(2)
    if starts is None or ends is None:
        raise NotOpenedError(Phrase("it has no input {number}", number=2))
    return starts, ends, node.numbers(3), node.numbers(4)


def _sliced(plan: NetworkPlan, value: GraphValue, axis: int, bounds: tuple[Any, Any, Any]) -> GraphValue:
    start, end, step = bounds
    size = value.shape[axis]
    if is_per_item(size):
        if start == 0 and step == 1 and (end == size or (not is_per_item(end) and end >= _FAR)):
            return value
        raise NotOpenedError(MIXES_ITEMS)
    if any(map(is_per_item, bounds)):
        raise BatchSizeError
    found = slice(*_clamped(whole(size), start, end, step))
    count = len(range(*found.indices(whole(size))))
    if count == size and step == 1:
        return value
    if isinstance(value, KnownValue):
        index = (*(slice(None),) * axis, found)
        return value.changed(without_items(value.values[index]))
    if step < 0 or not count:
        raise NotOpenedError(Phrase("it takes {count} values in steps of {step}", count=count, step=step))
    shape = (*value.shape[:axis], count, *value.shape[axis + 1 :])
    stop = None if found.stop is not None and found.stop >= whole(size) else found.stop
    return plan.step("slice", [value], shape, value.kind, axis=axis, start=found.start, stop=stop, every=step)


def _clamped(size: int, start: int, end: int, step: int) -> tuple[int, int | None, int]:
    """Bounds within an axis, as ONNX cuts them off."""
    start, end = (at + size if at < 0 else at for at in (start, end))
    if step > 0:
        return min(max(start, 0), size), min(max(end, 0), size), step
    return min(max(start, 0), size - 1), (None if end < 0 else min(end, size - 1)), step


@entry("Split", becomes="torch.chunk, torch.split", inputs=2)
def split(node: NodeCall, plan: NetworkPlan) -> tuple[GraphValue, ...]:
    """Parts along an axis; equal ones stay equal when channels go."""
    value = node.value(0)
    axis = axis_from_front(node.whole("axis", 0), len(value.shape))
    size, count = one_item(value.shape, axis), len(node.node.outputs)
    sizes = node.wholes_or_none("split") if node.version < 13 else node.numbers(1)
    if node.version >= 18 and node.whole("num_outputs", count) != count:
        raise node.other("num_outputs")
    if sizes is None:
        each = -(-size // count)
        sizes = [each] * (count - 1) + [size - each * (count - 1)]
        if node.version < 18 and size % count:
            raise NotOpenedError(N_("its numbers do not fit one another"))
    if len(sizes) != count or any(is_per_item(s) or s < 1 for s in sizes) or sum(sizes) != size:
        raise NotOpenedError(N_("its numbers do not fit one another"))
    if isinstance(value, KnownValue):
        return tuple(value.changed(part) for part in np.split(value.values, np.cumsum(sizes)[:-1], axis))
    shapes = [(*value.shape[:axis], each, *value.shape[axis + 1 :]) for each in sizes]
    if len(set(sizes)) == 1:
        return plan.several("chunk", [value], shapes, value.kind, count=count, axis=axis)
    return plan.several("split", [value], shapes, value.kind, sizes=list(sizes), axis=axis)


@entry("GatherND", becomes="a tensor at places", inputs=2)
def gather_at(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """One value, or all behind it, for each list of places along the first axes."""
    value, places = node.computed(), node.value(1)
    node.only("batch_dims", 0)
    count = one_item(places.shape, len(places.shape) - 1)
    if places.kind not in _WORDS or not 1 <= count <= len(value.shape):
        raise NotOpenedError(Phrase("its input {number} must be a list of places", number=2))
    shape = (*places.shape[:-1], *value.shape[count:])
    return plan.step("gather_at", [value, places], shape, value.kind)


@entry("ArgMax", "ArgMin", becomes="torch.argmax, torch.argmin", inputs=1)
def place_of_largest(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Where the largest or the smallest value stands, the first of equals."""
    value, keeps = node.computed(), bool(node.whole("keepdims", 1))
    node.only("select_last_index", 0)
    axis = axis_from_front(node.whole("axis", 0), len(value.shape))
    one_item(value.shape, axis)
    shape = (*value.shape[:axis], *((1,) if keeps else ()), *value.shape[axis + 1 :])
    call = node.node.operator.lower()
    return plan.step(call, [value], shape, "int64", axis=axis, keeps=keeps)
