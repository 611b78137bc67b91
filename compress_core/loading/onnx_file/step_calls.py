"""What each step of a network from an ONNX file calls, by name: functions of torch and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compress_core.foundation.errors import Refused

_Call = Callable[..., Any]
_KINDS = {"int64": torch.int64, "int32": torch.int32, "uint8": torch.uint8, "bool": torch.bool}
_CALLS: dict[str, _Call] = {
    name: getattr(torch, name)
    for name in [
        "add",
        "sub",
        "mul",
        "div",
        "pow",
        "eq",
        "lt",
        "le",
        "gt",
        "ge",
        "logical_and",
        "logical_or",
        "logical_xor",
        "logical_not",
        "where",
        "sqrt",
        "neg",
        "exp",
        "log",
        "abs",
        "reciprocal",
        "floor",
        "ceil",
        "round",
        "sign",
        "sin",
        "cos",
        "erf",
        "isnan",
        "minimum",
        "maximum",
        "matmul",
    ]
}


def _call(function: _Call) -> _Call:
    _CALLS[function.__name__.removeprefix("_").removesuffix("_")] = function
    return function


def call_named(name: str) -> _Call:
    """The function of a step; raises Refused where there is none."""
    if name not in _CALLS:
        raise Refused("The file names a step '{name}' that this release does not know: update it.", name=name)
    return _CALLS[name]


@_call
def _div_whole(one: Tensor, other: Tensor) -> Tensor:
    return torch.div(one, other, rounding_mode="trunc")


@_call
def _clamp(values: Tensor, *, low: float | None, high: float | None) -> Tensor:
    return torch.clamp(values, low, high)


@_call
def _cast(values: Tensor, *, to: str) -> Tensor:
    """Real numbers stay in the type in which the network computes, float64 where it is tried in that."""
    if to == "float32":
        return values if values.is_floating_point() else values.to(torch.float32)
    return values.to(_KINDS[to])


@_call
def _flatten(values: Tensor, *, start: int, end: int) -> Tensor:
    return torch.flatten(values, start, end)


@_call
def _unflatten(values: Tensor, *, axis: int, sizes: Sequence[int]) -> Tensor:
    return torch.unflatten(values, axis, tuple(sizes))


@_call
def _permute(values: Tensor, *, axes: Sequence[int]) -> Tensor:
    return values.permute(tuple(axes))


@_call
def _select(values: Tensor, *, axis: int, place: int) -> Tensor:
    return values.select(axis, place)


@_call
def _index_select(values: Tensor, places: Tensor, *, axis: int) -> Tensor:
    return torch.index_select(values, axis, places)


@_call
def _gather(values: Tensor, places: Tensor, *, axis: int) -> Tensor:
    return torch.gather(values, axis, places.long())


@_call
def _take(values: Tensor, places: Tensor) -> Tensor:
    return values[places.long()]


@_call
def _gather_at(values: Tensor, places: Tensor) -> Tensor:
    return values[places.long().unbind(-1)]


@_call
def _argmax(values: Tensor, *, axis: int, keeps: bool) -> Tensor:
    return values.argmax(axis, keepdim=keeps)


@_call
def _argmin(values: Tensor, *, axis: int, keeps: bool) -> Tensor:
    return values.argmin(axis, keepdim=keeps)


@_call
def _arange(items: Tensor, *, each: int) -> Tensor:
    return torch.arange(items.shape[0] * each)


@_call
def _cumsum(values: Tensor, *, axis: int) -> Tensor:
    return torch.cumsum(values, axis, dtype=values.dtype)


@_call
def _slice_(values: Tensor, *, axis: int, start: int, stop: int | None, every: int) -> Tensor:
    return values[(*(slice(None),) * axis, slice(start, stop, every))]


@_call
def _chunk(values: Tensor, *, count: int, axis: int) -> Sequence[Tensor]:
    return torch.chunk(values, count, axis)


@_call
def _split(values: Tensor, *, sizes: Sequence[int], axis: int) -> Sequence[Tensor]:
    return torch.split(values, list(sizes), axis)


@_call
def _cat(*values: Tensor, axis: int) -> Tensor:
    return torch.cat(values, axis)


@_call
def _expand(values: Tensor, items: Tensor, *, sizes: Sequence[int | Mapping[str, int]]) -> Tensor:
    """sizes: -1 as it is, a number, or so many for each item."""
    return values.expand(
        [each if isinstance(each, int) else items.shape[0] * each["per_item"] for each in sizes]
    )


@_call
def _repeat(values: Tensor, *, times: Sequence[int]) -> Tensor:
    return values.repeat(tuple(times))


@_call
def _pad(values: Tensor, *, pads: Sequence[int], mode: str = "constant", filling: float = 0.0) -> Tensor:
    return F.pad(values, list(pads), mode, filling if mode == "constant" else None)


@_call
def _mean(values: Tensor, *, axes: Sequence[int], keeps: bool) -> Tensor:
    return values.mean(tuple(axes), keepdim=keeps)


@_call
def _sum(values: Tensor, *, axes: Sequence[int], keeps: bool) -> Tensor:
    return values.sum(tuple(axes), keepdim=keeps)


@_call
def _amax(values: Tensor, *, axes: Sequence[int], keeps: bool) -> Tensor:
    return values.amax(tuple(axes), keepdim=keeps)


@_call
def _amin(values: Tensor, *, axes: Sequence[int], keeps: bool) -> Tensor:
    return values.amin(tuple(axes), keepdim=keeps)


@_call
def _prod(values: Tensor, *, axes: Sequence[int], keeps: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        values = values.prod(axis, keepdim=keeps)
    return values


@_call
def _norm(values: Tensor, *, axes: Sequence[int], keeps: bool) -> Tensor:
    return values.square().sum(tuple(axes), keepdim=keeps).sqrt()


@_call
def _sum_of_sizes(values: Tensor, *, axes: Sequence[int], keeps: bool) -> Tensor:
    return values.abs().sum(tuple(axes), keepdim=keeps)


@_call
def _sum_of_squares(values: Tensor, *, axes: Sequence[int], keeps: bool) -> Tensor:
    return values.square().sum(tuple(axes), keepdim=keeps)
