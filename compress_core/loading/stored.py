"""A tensor as a file declares it, checked before anything is allocated, then decoded."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from compress_core.foundation.errors import Refused

MAX_DIMENSIONS = 8
MAX_NAME = 200
_NAME = re.compile(r"[\w-]+(\.[\w-]+)*")
_LEARNED = ("weight", "bias")


@dataclass(frozen=True)
class Element:
    """The type of one value: how numpy reads its bytes, and what torch calls it."""

    raw: np.dtype[np.generic]
    torch: torch.dtype


F64 = Element(np.dtype("<f8"), torch.float64)
F32 = Element(np.dtype("<f4"), torch.float32)
F16 = Element(np.dtype("<f2"), torch.float16)
BF16 = Element(np.dtype("<i2"), torch.bfloat16)
I64 = Element(np.dtype("<i8"), torch.int64)
I32 = Element(np.dtype("<i4"), torch.int32)
I16 = Element(np.dtype("<i2"), torch.int16)
I8 = Element(np.dtype("i1"), torch.int8)
U8 = Element(np.dtype("u1"), torch.uint8)
BOOL = Element(np.dtype("u1"), torch.bool)


@dataclass(frozen=True)
class Caps:
    """What one file may hold at most: bytes of the file and of its directory, tensors, and their values."""

    file_bytes: int
    directory_bytes: int
    tensors: int
    elements: int


@dataclass(frozen=True)
class Stored:
    """Where the values of one tensor lie: `start` bytes into `buffer`, then by shape and stride.

    start is in bytes, stride in values.
    """

    buffer: memoryview
    start: int
    element: Element
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def shown(text: str) -> str:
    """A string that a file brought, short and printable, so that it can stand in a sentence."""
    clean = "".join(sign if sign.isprintable() else "?" for sign in text[: MAX_NAME // 2])
    return clean + "..." if len(text) > MAX_NAME // 2 else clean


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a tensor whose values lie one after the other, last axis fastest."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def check_name(name: str) -> None:
    """Refuse a tensor name that no module of PyTorch could have."""
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise Refused(
            "A tensor is called '{tensor}'; a name must have letters, digits, '_' and '-' with single dots "
            "between, {most} signs at most. Rename it as its layer is called and upload again.",
            tensor=shown(name),
            most=MAX_NAME,
        )


def check_shape(name: str, shape: Sequence[int], caps: Caps) -> int:
    """The number of values a tensor declares; refused where that is none or too many. Allocates nothing."""
    if len(shape) > MAX_DIMENSIONS:
        raise Refused(
            "Tensor '{tensor}' has {got} dimensions; at most {most} are read. Check the file.",
            tensor=shown(name),
            got=len(shape),
            most=MAX_DIMENSIONS,
        )
    if any(size < 1 for size in shape):
        raise Refused(
            "Tensor '{tensor}' has a dimension without values; every dimension must be 1 or more. "
            "Leave the tensor out of the file.",
            tensor=shown(name),
        )
    if any(size > caps.elements for size in shape) or math.prod(shape) > caps.elements:
        raise Refused(
            "Tensor '{tensor}' claims more than the {most:,} values that a model may have here. "
            "Upload a smaller model or use the command line.",
            tensor=shown(name),
            most=caps.elements,
        )
    return math.prod(shape)


def check_declared(declared: Mapping[str, Stored], caps: Caps) -> None:
    """Names, shapes, places and the sum of all values, from what the file claims; nothing is allocated.

    Raises Refused for the first tensor that breaks a rule.
    """
    if not 1 <= len(declared) <= caps.tensors:
        raise Refused(
            "The file holds {got:,} tensors; a model here has 1 to {most:,}. "
            "Upload the state dict of one model.",
            got=len(declared),
            most=caps.tensors,
        )
    total = 0
    for name, stored in declared.items():
        check_name(name)
        total += check_shape(name, stored.shape, caps)
        _check_place(name, stored)
        _check_whole_numbers(name, stored)
    if total > caps.elements:
        raise Refused(
            "The file claims {got:,} values in all; at most {most:,} are read. "
            "Upload a smaller model or use the command line.",
            got=total,
            most=caps.elements,
        )


def _check_place(name: str, stored: Stored) -> None:
    inside = stored.start >= 0 and all(step >= 0 for step in stored.stride)
    last = sum((size - 1) * step for size, step in zip(stored.shape, stored.stride, strict=True))
    if not inside or stored.start + (last + 1) * stored.element.raw.itemsize > len(stored.buffer):
        raise Refused(
            "Tensor '{tensor}' of shape {shape} reaches beyond the {bytes:,} bytes stored for it. "
            "The file is damaged: save it anew.",
            tensor=shown(name),
            shape=list(stored.shape),
            bytes=len(stored.buffer),
        )


def _check_whole_numbers(name: str, stored: Stored) -> None:
    if not stored.element.torch.is_floating_point and name.rpartition(".")[2] in _LEARNED:
        raise Refused(
            "Tensor '{tensor}' holds {dtype}; weights and biases must be floating-point numbers. "
            "Upload the model as it was before quantization.",
            tensor=shown(name),
            dtype=str(stored.element.torch).removeprefix("torch."),
        )


def decode(name: str, stored: Stored) -> Tensor:
    """The values [*shape] as a new tensor, in their type; float64 as float32.

    The declaration must have passed check_declared. Raises Refused where a float64 does not fit float32.
    """
    size = stored.element.raw.itemsize
    # The stride of an axis of length 1 is never used and may be any number.
    pairs = zip(stored.shape, stored.stride, strict=True)
    strides = tuple(step * size if length > 1 else 0 for length, step in pairs)
    window: np.ndarray[tuple[int, ...], np.dtype[np.generic]] = np.ndarray(
        stored.shape, stored.element.raw, stored.buffer, stored.start, strides
    )
    values = torch.from_numpy(window.copy(order="C"))
    if stored.element is BF16:
        values = values.view(torch.bfloat16)
    values = values.to(stored.element.torch)
    return _as_float32(name, values) if values.dtype is torch.float64 else values


def _as_float32(name: str, values: Tensor) -> Tensor:
    single = values.to(torch.float32)
    if values.dtype is torch.float64 and bool((single.isinf() & values.isfinite()).any()):
        raise Refused(
            "Tensor '{tensor}' holds float64 values beyond {limit:.1e}, the largest float32. "
            "Scale the weights so that they fit float32.",
            tensor=shown(name),
            limit=torch.finfo(torch.float32).max,
        )
    return single
