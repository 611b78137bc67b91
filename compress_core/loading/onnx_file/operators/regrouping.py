"""A new shape for the same values, told as axes that are joined and divided.

`flatten(1)` goes on to hold when channels are cut away, where `reshape(-1, 512)` does not; so a reshape is
written with as few sizes as it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.network_plan import ComputedValue, NetworkPlan
from compress_core.loading.onnx_file.node_call import NotOpenedError
from compress_core.loading.onnx_file.sizes_per_item import (
    BatchSizeError,
    PerItem,
    Shape,
    Size,
    is_per_item,
    per_item,
    product,
)

_MANY = 2**61 - 1  # stands for the number of items: a prime that no file has as a size


def regrouped(plan: NetworkPlan, value: ComputedValue, shape: Shape) -> ComputedValue:
    """The same values in another shape, whose product is the same."""
    undone = _undone(plan, value, shape)
    if undone is not None:
        return undone
    result = value
    for axes, sizes in reversed(list(_groups(value.shape, shape))):
        if len(axes) > 1:
            flat = (
                *result.shape[: axes[0]],
                _size(value.shape[axes[0] : axes[-1] + 1]),
                *result.shape[axes[-1] + 1 :],
            )
            result = plan.step("flatten", [result], flat, value.kind, start=axes[0], end=_end(axes, result))
        if len(sizes) > 1:
            is_last = axes[-1] == len(value.shape) - 1
            free = _free_place(sizes, is_last=is_last)
            given = [-1 if at == free else per_item(size) for at, size in enumerate(sizes)]
            made = (*result.shape[: axes[0]], *sizes, *result.shape[axes[0] + 1 :])
            result = plan.step("unflatten", [result], made, value.kind, axis=axes[0], sizes=given)
    return result


def _undone(plan: NetworkPlan, value: ComputedValue, shape: Shape) -> ComputedValue | None:
    """What was there before its first axes were joined, where nothing else is asked for.

    Exporters turn the keys of all heads as matrices of one batch: joined, turned and divided again, they
    would count on the number of heads.
    """
    step, turned = plan.maker(value), False
    if step is not None and step.call == "permute" and list(step.given["axes"]) == [0, 2, 1]:
        step, turned = plan.maker(step.read[0]), True
    if step is None or step.call != "flatten" or not isinstance(step.read[0], ComputedValue):
        return None
    before = step.read[0]
    if not turned:
        return before if before.shape == shape else None
    if step.given != {"start": 0, "end": 1} or len(before.shape) != 4:
        return None
    if shape != (*before.shape[:2], before.shape[3], before.shape[2]):
        return None
    return plan.step("permute", [before], shape, before.kind, axes=[0, 1, 3, 2])


def _end(axes: Sequence[int], value: ComputedValue) -> int:
    """The last of some axes, -1 where nothing stands behind it: that is how people write it."""
    return -1 if axes[-1] == len(value.shape) - 1 else axes[-1]


def _size(sizes: Sequence[Size]) -> Size:
    times, of_items = product(sizes)
    return PerItem(times) if of_items else times


def _groups(old: Shape, new: Shape) -> Iterator[tuple[list[int], list[Size]]]:
    """Which old axes become which new sizes, from the front, in the smallest steps."""
    if product(old) != product(new) or not old or not new:
        raise NotOpenedError(
            Phrase("it makes the shape {new} of {old}", new=shape_text(new), old=shape_text(old))
        )
    at, there = 0, 0
    while at < len(old) and there < len(new):
        axes, sizes = [at], [new[there]]
        at, there = at + 1, there + 1
        while (left := _number(old[axes[0] : at])) != (right := _number(sizes)):
            if left < right:
                axes.append(at)
                at += 1
            else:
                sizes.append(new[there])
                there += 1
        if at == len(old) or _number(old[at:]) == 1 == _number(new[there:]):
            sizes += new[there:]
            there = len(new)
            axes += range(at, len(old))
            at = len(old)
        elif there == len(new):
            axes += range(at, len(old))
            at = len(old)
        yield axes, sizes


def _number(sizes: Sequence[Size]) -> int:
    times, of_items = product(sizes)
    return int(times * _MANY**of_items)


def _free_place(sizes: Sequence[Size], *, is_last: bool) -> int:
    """Which of several sizes is left open: that of the items, else that of heads, else that within groups."""
    for at, size in enumerate(sizes):
        if is_per_item(size):
            return at
    large = [at for at, size in enumerate(sizes) if size != 1]
    if len(large) < 2:
        return large[0] if large else 0
    return large[-2] if is_last else large[-1]


def resolved(shape: Shape, wanted: Sequence[Size], fixed: int | None) -> Shape:
    """The shape that a Reshape asks for: 0 keeps a size, -1 is what is left.

    fixed: the number of items for which the file was written, None where it is for any. Raises
    BatchSizeError where the shape is that of one number of items only.
    """
    if any(size == 0 and at >= len(shape) for at, size in enumerate(wanted)) or list(wanted).count(-1) > 1:
        raise NotOpenedError(N_("it asks for a shape that cannot be"))
    sizes = [shape[at] if size == 0 else size for at, size in enumerate(wanted)]
    if any(not is_per_item(size) and size != -1 and per_item(size) < 1 for size in sizes):
        raise NotOpenedError(N_("it asks for a shape that cannot be"))
    if -1 not in sizes or any(map(is_per_item, sizes)) or fixed is None:
        found = _filled(shape, sizes)
    else:
        found = _filled(tuple(per_item(s) * (fixed if is_per_item(s) else 1) for s in shape), sizes)
    if any(map(is_per_item, shape)) and not any(map(is_per_item, found)):
        if fixed is None:
            raise BatchSizeError
        return _with_items(shape, found, fixed)
    return found


def _filled(shape: Shape, sizes: Sequence[Size]) -> Shape:
    """The sizes with what is left in the place of -1."""
    if -1 not in sizes:
        return tuple(sizes)
    (times, of_items), (taken, of_taken) = product(shape), product([s for s in sizes if s != -1])
    if times % taken or of_items - of_taken not in {0, 1}:
        raise NotOpenedError(
            Phrase("it makes the shape {new} of {old}", new=shape_text(tuple(sizes)), old=shape_text(shape))
        )
    left: Size = PerItem(times // taken) if of_items > of_taken else times // taken
    return tuple(left if size == -1 else size for size in sizes)


def _with_items(shape: Shape, sizes: Shape, fixed: int) -> Shape:
    """Where the axis of the items went, in a file that was written for so many of them."""
    before = 1
    for size in shape[: next(at for at, s in enumerate(shape) if is_per_item(s))]:
        before *= per_item(size)
    passed = 1
    for at, size in enumerate(sizes):
        if passed == before and per_item(size) % fixed == 0:
            return (*sizes[:at], PerItem(per_item(size) // fixed), *sizes[at + 1 :])
        passed *= per_item(size)
    raise BatchSizeError


def shape_text(shape: Shape) -> str:
    """A shape as a sentence shows it: N stands for the items."""
    names = [(f"{s.times} N" if s.times != 1 else "N") if isinstance(s, PerItem) else str(s) for s in shape]
    return f"[{', '.join(names)}]"
