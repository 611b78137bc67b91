"""Tensors stored as they are: raw bytes, or byte planes where those are shorter.

A float32 is turned by one bit first, so that the exponent fills a byte of its own; exponents repeat,
the last digits do not. Each plane is entropy-coded only where that helps.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from compress_core.deliver.packing.bytestream import Reader, Writer
from compress_core.deliver.packing.coder import Allowance, Damaged, Reading, Writing, refuse_more_than
from compress_core.deliver.packing.symbols import code_symbols
from compress_core.techniques.contract.encoded import TYPE_BITS, TYPE_NAMES

RAW, PLANES = range(2)
_TYPES = tuple(TYPE_NAMES)  # a file holds the place in this row: never reorder, only append


def type_number(tensor: Tensor) -> int:
    """The number of a tensor's type in a file; the tensor has any shape."""
    return _TYPES.index(tensor.dtype)


def type_of(number: int) -> torch.dtype:
    """The type that a number in a file stands for; raises Damaged where it stands for none."""
    if number >= len(_TYPES):
        raise Damaged
    return _TYPES[number]


def pack_numbers(tensor: Tensor) -> bytes:
    """A tensor of any shape -> bytes; type and shape are the reader's to know."""
    if not tensor.numel():
        return bytes([RAW])
    raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
    ways = [bytes([RAW]) + raw.tobytes()]
    if tensor.dtype == torch.float32:
        ways.append(bytes([PLANES]) + _planes(raw.view(np.uint32)))
    return min(ways, key=len)


def _planes(values: np.ndarray) -> bytes:
    turned = (values << np.uint32(1)) | (values >> np.uint32(31))
    writer = Writer()
    for place in (24, 16, 8, 0):
        plane = (turned >> np.uint32(place)).astype(np.uint8)
        coder = Writing()
        code_symbols(coder, 256, len(plane), plane)
        encoded = coder.content()
        writer.run(encoded if len(encoded) < len(plane) else plane.tobytes())
    return writer.content()


def read_numbers(
    content: bytes, number: int, shape: tuple[int, ...], allowance: Allowance | None = None
) -> Tensor:
    """The tensor [*shape] that `pack_numbers` wrote; raises Damaged."""
    kind = type_of(number)
    count = int(np.prod(shape, dtype=object))
    refuse_more_than(len(content), count)
    (allowance or Allowance()).take(work=4 * count)
    raw = content[1:] if content[:1] == bytes([RAW]) else _from_planes(content, count)
    if len(raw) * 8 != count * TYPE_BITS[TYPE_NAMES[kind]]:
        raise Damaged
    if kind is torch.bool and any(byte > 1 for byte in set(raw)):
        raise Damaged
    return (
        torch.frombuffer(bytearray(raw), dtype=kind).reshape(shape)
        if count
        else torch.empty(shape, dtype=kind)
    )


def _from_planes(content: bytes, count: int) -> bytes:
    reader = Reader(content)
    if reader.raw(1) != bytes([PLANES]):
        raise Damaged
    turned = np.zeros(count, dtype=np.uint32)
    for place in (24, 16, 8, 0):
        plane = reader.run()
        read = np.frombuffer(plane, np.uint8) if len(plane) == count else _decoded(plane, count)
        turned |= read.astype(np.uint32) << np.uint32(place)
    reader.at_end()
    return ((turned >> np.uint32(1)) | (turned << np.uint32(31))).tobytes()


def _decoded(plane: bytes, count: int) -> np.ndarray:
    return code_symbols(Reading(plane), 256, count)
