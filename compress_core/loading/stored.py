"""A tensor as a file declares it, checked before anything is allocated, then decoded. Needs no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from compress_core.foundation.errors import Refused
from compress_core.subject.reading_remarks import ReadingRemarks

MAX_DIMENSIONS = 8
MAX_NAME = 200
_NAME = re.compile(r"[\w-]+(\.[\w-]+)*")
_LEARNED = ("weight", "bias")
_MOST_SHARING = 16  # names for the same values, as in a network that goes through a layer again and again
_NOT_WORTH_COUNTING = 2**20

Values = npt.NDArray[np.generic]
BFLOAT16 = np.dtype("V2")
"""numpy has no such type: two bytes that only PyTorch reads."""


@dataclass(frozen=True)
class Element:
    """The type of one value: how numpy reads its bytes, and what PyTorch calls it."""

    raw: np.dtype[np.generic]
    name: str

    @property
    def is_floating_point(self) -> bool:
        """Whether it has a fraction."""
        return "float" in self.name


F64 = Element(np.dtype("<f8"), "float64")
F32 = Element(np.dtype("<f4"), "float32")
F16 = Element(np.dtype("<f2"), "float16")
BF16 = Element(np.dtype("<u2"), "bfloat16")
I64 = Element(np.dtype("<i8"), "int64")
I32 = Element(np.dtype("<i4"), "int32")
I16 = Element(np.dtype("<i2"), "int16")
I8 = Element(np.dtype("i1"), "int8")
U8 = Element(np.dtype("u1"), "uint8")
BOOL = Element(np.dtype("u1"), "bool")


@dataclass(frozen=True)
class Caps:
    """What one file may hold at most: bytes of the file and of its directory, tensors, and their values.

    instructions: of a pickle; a tensor takes about 40, and one that learns has three in its optimizer.
    """

    file_bytes: int
    directory_bytes: int
    tensors: int
    elements: int
    instructions: int = 200_000


@dataclass(frozen=True)
class Stored:
    """Where the values of one tensor lie: `start` bytes into `buffer`, then by shape and stride.

    start is in bytes, stride in values. source names the buffer: tensors that share one have the same.
    """

    source: str
    buffer: memoryview
    start: int
    element: Element
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class AskedWeights:
    """What is asked of a file of weights: its name, for a refusal, its caps, and which entry is taken."""

    name: str
    caps: Caps
    entry: str | None = None


@dataclass(frozen=True, eq=False)
class DeclaredWeights:
    """What a file of weights declares: where the tensors lie, in its order, and what people should know."""

    tensors: Mapping[str, Stored]
    remarks: ReadingRemarks = field(default_factory=ReadingRemarks)


def refuse_entry(asked: AskedWeights) -> None:
    """Raise Refused where an entry is asked for in a file that has none."""
    if asked.entry is not None:
        raise Refused(
            "The file '{file}' holds one state dict without entries, so '{entry}' is not in it: leave the "
            "entry out.",
            file=shown(asked.name),
            entry=shown(asked.entry),
        )


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
        _check_written_out(name, stored)
        _check_whole_numbers(name, stored)
    if total > caps.elements:
        raise Refused(
            "The file claims {got:,} values in all; at most {most:,} are read. "
            "Upload a smaller model or use the command line.",
            got=total,
            most=caps.elements,
        )
    _check_sharing(declared)


def _check_sharing(declared: Mapping[str, Stored]) -> None:
    """A few stored values under very many names would become gigabytes."""
    held = {stored.source: len(stored.buffer) for stored in declared.values()}
    claimed = sum(math.prod(stored.shape) * stored.element.raw.itemsize for stored in declared.values())
    if claimed > _MOST_SHARING * sum(held.values()) + _NOT_WORTH_COUNTING:
        raise Refused(
            "The tensors claim {got:,} bytes together, but the file stores {stored:,} for them, so that each "
            "is shared by more than {most} names. Save the state dict of one model.",
            got=claimed,
            stored=sum(held.values()),
            most=_MOST_SHARING,
        )


def _check_written_out(name: str, stored: Stored) -> None:
    """An expanded tensor shows the same values again and again; small ones are as other people save them."""
    size = stored.element.raw.itemsize
    if math.prod(stored.shape) * size > _MOST_SHARING * len(stored.buffer) + _NOT_WORTH_COUNTING:
        raise Refused(
            "Tensor '{tensor}' of shape {shape} claims {got:,} values, but the file stores {stored:,} for "
            "it. Save it written out, with .contiguous().",
            tensor=shown(name),
            shape=list(stored.shape),
            got=math.prod(stored.shape),
            stored=len(stored.buffer) // size,
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
    if not stored.element.is_floating_point and name.rpartition(".")[2] in _LEARNED:
        raise Refused(
            "Tensor '{tensor}' holds {dtype}; weights and biases must be floating-point numbers. "
            "Upload the model as it was before quantization.",
            tensor=shown(name),
            dtype=stored.element.name,
        )


def decode(name: str, stored: Stored) -> Values:
    """The values [*shape] as a new array, in their type; float64 as float32, bfloat16 as `BFLOAT16`.

    The declaration must have passed check_declared. Raises Refused where a float64 does not fit float32.
    """
    size = stored.element.raw.itemsize
    # The stride of an axis of length 1 is never used and may be any number.
    pairs = zip(stored.shape, stored.stride, strict=True)
    strides = tuple(step * size if length > 1 else 0 for length, step in pairs)
    window: Values = np.ndarray(stored.shape, stored.element.raw, stored.buffer, stored.start, strides)
    if stored.element is F64:
        return _as_float32(name, window)
    if stored.element is BF16:
        return window.copy(order="C").view(BFLOAT16)
    return window.astype(np.bool_ if stored.element is BOOL else stored.element.raw, order="C")


def _as_float32(name: str, values: Values) -> Values:
    with np.errstate(over="ignore", invalid="ignore"):
        single = values.astype(np.float32, order="C")
    if bool((np.isinf(single) & np.isfinite(values)).any()):
        raise Refused(
            "Tensor '{tensor}' holds float64 values beyond {limit:.1e}, the largest float32. "
            "Scale the weights so that they fit float32.",
            tensor=shown(name),
            limit=float(np.finfo(np.float32).max),
        )
    return single
