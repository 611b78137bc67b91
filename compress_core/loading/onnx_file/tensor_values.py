"""The values of a tensor in an ONNX file, checked against the bytes that are there. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.file_parts import OnnxTensor, pieces_joined
from compress_core.loading.onnx_file.wire_format import damaged
from compress_core.loading.stored import MAX_DIMENSIONS, shown

_Array = NDArray[Any]

KINDS: Mapping[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    4: np.dtype("<u2"),
    5: np.dtype("<i2"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    9: np.dtype("?"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
    12: np.dtype("<u4"),
    13: np.dtype("<u8"),
}
"""The types of numbers that are read, by ONNX's number for them."""
_OTHER_KINDS = {8: "text", 14: "complex64", 15: "complex128", 16: "bfloat16", 21: "uint4", 22: "int4"}
_FIELD: Mapping[str, tuple[int, ...]] = {
    "float_data": (1,),
    "int32_data": (2, 3, 4, 5, 6, 9, 10),
    "int64_data": (7,),
    "double_data": (11,),
    "uint64_data": (12, 13),
}


def number_kind(number: int, name: str) -> np.dtype[Any]:
    """The type of numbers by ONNX's number for it; raises Refused for one that is not read."""
    if number not in KINDS:
        raise Refused(
            "'{tensor}' of the ONNX file holds numbers of type {kind}, which are not opened: export the "
            "network in float32.",
            tensor=shown(name),
            kind=_OTHER_KINDS.get(number, str(number)),
        )
    return KINDS[number]


def values_of(tensor: OnnxTensor) -> _Array:
    """The values [*shape], in the memory of the file where that can be; raises Refused for missing ones."""
    kind, count = number_kind(tensor.kind, tensor.name), _count(tensor)
    if len(tensor.data) > 1:
        raise damaged(Phrase("the values of tensor '{tensor}' stand twice", tensor=shown(tensor.name)))
    nothing: tuple[str, Any] = ("raw_data", b"")
    field, stored = next(iter(tensor.data.items()), nothing)
    if field == "raw_data":
        if len(stored) != count * kind.itemsize:
            raise _missing(tensor)
        values = np.frombuffer(stored, kind)
    else:
        values = _typed(tensor, field, pieces_joined(stored, kind), kind)
    if len(values) != count:
        raise _missing(tensor)
    if kind == np.bool_:
        values = values.view(np.uint8) != 0  # no byte but 0 and 1 is a truth value of numpy
    return values.reshape(tensor.shape)


def _count(tensor: OnnxTensor) -> int:
    if len(tensor.shape) > MAX_DIMENSIONS or any(size < 0 for size in tensor.shape):
        raise damaged(
            Phrase("tensor '{tensor}' has a shape that no tensor has here", tensor=shown(tensor.name))
        )
    return math.prod(tensor.shape)


def _typed(tensor: OnnxTensor, field: str, numbers: _Array, kind: np.dtype[Any]) -> _Array:
    """Numbers from a field of a wider type; each must fit."""
    if tensor.kind not in _FIELD.get(field, ()):
        raise damaged(
            Phrase("tensor '{tensor}' keeps its values where others are kept", tensor=shown(tensor.name))
        )
    if kind == np.float16:
        return _narrowed(tensor, numbers, np.dtype("<u2")).view(kind)
    if kind == np.bool_:
        return _narrowed(tensor, numbers, np.dtype("u1")).view(kind)
    if field == "uint64_data":
        numbers = numbers.view(np.uint64)
    return numbers if numbers.dtype == kind else _narrowed(tensor, numbers, kind)


def _narrowed(tensor: OnnxTensor, numbers: _Array, kind: np.dtype[Any]) -> _Array:
    limits = np.iinfo(kind)
    if len(numbers) and not (limits.min <= int(numbers.min()) and int(numbers.max()) <= limits.max):
        raise damaged(Phrase("tensor '{tensor}' holds numbers beyond its type", tensor=shown(tensor.name)))
    return numbers.astype(kind)


def _missing(tensor: OnnxTensor) -> Refused:
    if tensor.data.get("string_data"):
        return damaged(N_("it holds texts"))
    return damaged(
        Phrase(
            "tensor '{tensor}' of shape {shape} has another number of values",
            tensor=shown(tensor.name),
            shape=list(tensor.shape),
        )
    )
