"""A weight as it would be stored: what was kept, which levels it takes, how many bits that is.

This is the only place that counts bits. A file (deliver/plain_container.py) holds exactly `stored()`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compress_core.foundation.cached import cached_property
from compress_core.levels.any_levels import Levels
from compress_core.levels.exponential import Exponential
from compress_core.levels.grid import Grid
from compress_core.levels.scaled_table import ScaledTable
from compress_core.levels.table import Table
from compress_core.selection.select import ExplicitMask, Mask
from compress_core.techniques.contract.results import Quantized

TYPE_NAMES = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.complex64: "C64",
    torch.uint16: "U16",
    torch.uint32: "U32",
    torch.uint64: "U64",
}
TYPE_BITS = {name: kind.itemsize * 8 for kind, name in TYPE_NAMES.items()}
_ITEM_OF = {"mask": "positions", "values": "values", "codes": "values"}


@dataclass(frozen=True)
class Bits:
    """Bits of a stored weight, by item; each item starts on a full byte."""

    values: int = 0
    positions: int = 0
    tables: int = 0

    @property
    def total(self) -> int:
        return self.values + self.positions + self.tables

    def __add__(self, other: Bits) -> Bits:
        return Bits(self.values + other.values, self.positions + other.positions, self.tables + other.tables)


@dataclass(frozen=True)
class Zeros:
    """Where the zeros of a weight come from; the three add up to all zeros."""

    pruned: int
    quantized: int
    original: int

    @property
    def total(self) -> int:
        return self.pruned + self.quantized + self.original


def whole_bytes(bits: int) -> int:
    """Bits rounded up to full bytes."""
    return (bits + 7) // 8 * 8


@dataclass(frozen=True)
class EncodedWeight:
    """One weight with the answers given so far; nothing is decoded until it is asked for.

    weight [out, in] float32, shared and never written; kept None: nothing pruned;
    quantized None: values in full, of value_type, which holds them exactly.
    """

    weight: Tensor
    mask: Mask | None = None
    quantized: Quantized | None = None
    value_type: torch.dtype = torch.float32

    def decode_into(self, out: Tensor) -> Tensor:
        """Write the values that are evaluated and shipped into `out` [out, in]."""
        if self.quantized is None:
            return out.copy_(self.weight) if self.mask is None else self.mask.prune_into(self.weight, out)
        if self.quantized.codes is not None:
            out.copy_(self.quantized.levels.decode(self.quantized.codes))
        else:
            self.quantized.levels.quantize_into(self.weight, out)
        return out if self.mask is None else out.masked_fill_(~self.mask.tensor, 0.0)

    @property
    def values(self) -> Tensor:
        """The decoded weight [out, in], a new tensor."""
        return self.decode_into(torch.empty_like(self.weight))

    @property
    def codes(self) -> Tensor:
        """Codes [out, in] int16 of every weight, the pruned ones included."""
        assert self.quantized is not None
        if self.quantized.codes is not None:
            return self.quantized.codes.to(torch.int16)
        return self.quantized.levels.encode(self.weight)

    @property
    def is_changed(self) -> bool:
        """Whether any answer was given."""
        return self.mask is not None or self.quantized is not None

    @property
    def kept_count(self) -> int:
        return self.weight.numel() if self.mask is None else self.mask.count

    @cached_property
    def zeros(self) -> Zeros:
        """Zeros by origin: masked away, made by the quantizer, there before."""
        zero = int((self.values == 0).count_nonzero())
        pruned = self.weight.numel() - self.kept_count
        stays = self.weight == 0 if self.mask is None else (self.weight == 0) & self.mask.tensor
        original = min(int(stays.count_nonzero()), zero - pruned)
        return Zeros(pruned, zero - pruned - original, original)

    @property
    def bits_for_each_value(self) -> int:
        return self.value_type.itemsize * 8 if self.quantized is None else self.quantized.levels.code_bits

    @property
    def stores_mask(self) -> bool:
        """Whether a bit for each position and the kept values are smaller than every value."""
        if self.mask is None or self.kept_count == self.weight.numel():
            return False
        every = whole_bytes(self.weight.numel() * self.bits_for_each_value)
        sparse = whole_bytes(self.weight.numel()) + whole_bytes(self.kept_count * self.bits_for_each_value)
        return sparse < every or not self._can_write_zero

    @property
    def _can_write_zero(self) -> bool:
        return self.quantized is None or self.quantized.levels.has_zero

    def entries(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Name -> (safetensors type, shape) of what `stored()` will hold, without making it."""
        size = self.weight.numel()
        count = self.kept_count if self.stores_mask else size
        found: dict[str, tuple[str, tuple[int, ...]]] = {}
        if self.stores_mask:
            found["mask"] = ("U8", (whole_bytes(size) // 8,))
        if self.quantized is None:
            return found | {"values": (TYPE_NAMES[self.value_type], (count,))}
        levels = self.quantized.levels
        found["codes"] = ("U8", (whole_bytes(count * levels.code_bits) // 8,))
        return found | {k: (TYPE_NAMES[t.dtype], tuple(t.shape)) for k, t in levels.stored().items()}

    @cached_property
    def bits(self) -> Bits:
        """Bits by item, read off the entries of the file."""
        items = {"values": 0, "positions": 0, "tables": 0}
        for name, (kind, shape) in self.entries().items():
            items[_ITEM_OF.get(name, "tables")] += math.prod(shape) * TYPE_BITS[kind]
        return Bits(**items)

    def stored(self) -> dict[str, Tensor]:
        """The tensors of a file: `mask` (a bit a weight), `values` or `codes`, and the levels' tables."""
        parts: dict[str, Tensor] = {}
        if self.stores_mask:
            assert self.mask is not None
            parts["mask"] = torch.from_numpy(np.packbits(self.mask.tensor.numpy().reshape(-1)))
        if self.quantized is None:
            parts["values"] = self.values.reshape(-1)[self._stored_positions()].to(self.value_type)
            return parts
        levels = self.quantized.levels
        codes = self.codes
        if self.mask is not None and not self.stores_mask:
            codes = torch.where(self.mask.tensor, codes, levels.encode(torch.zeros_like(self.weight)))
        unsigned = (codes - levels.low).reshape(-1)[self._stored_positions()].numpy()
        parts["codes"] = torch.from_numpy(codes_to_bits(unsigned.astype(np.uint16), levels.code_bits))
        return parts | levels.stored()

    def _stored_positions(self) -> Tensor | slice:
        if not self.stores_mask:
            return slice(None)
        assert self.mask is not None
        return self.mask.tensor.reshape(-1)

    def form(self) -> dict[str, Any]:
        """What a reader must know beside the tensors; plain JSON."""
        form: dict[str, Any] = {"shape": list(self.weight.shape)}
        match self.quantized.levels if self.quantized else None:
            case Grid() as grid:
                form |= {"levels": "grid", "low": grid.low, "high": grid.high, "group": grid.group}
            case Exponential() as powers:
                form |= {"levels": "exponential", "count": powers.count, "group": powers.group}
            case Table():
                form |= {"levels": "table"}
            case ScaledTable() as scaled:
                form |= {"levels": "scaled_table", "group": scaled.group}
            case None:
                pass
        return form


def read_stored(parts: Mapping[str, Tensor], form: Mapping[str, Any]) -> Tensor:
    """The values [out, in] of a stored weight: the reverse of `EncodedWeight.stored`.

    Raises ValueError for levels of a kind that this release does not know, or where the parts hold less.
    """
    rows, inputs = form["shape"]
    size = rows * inputs
    if size > 8 * sum(tensor.nbytes for tensor in parts.values()):  # a weight takes a bit at least
        raise ValueError(size)
    mask = ExplicitMask(torch.ones(rows, inputs, dtype=torch.bool))
    if "mask" in parts:
        flags = np.unpackbits(parts["mask"].numpy(), count=size).astype(bool)
        mask = ExplicitMask(torch.from_numpy(flags).view(rows, inputs))
    if "values" in parts:
        values = torch.zeros(rows, inputs)
        values[mask.tensor] = parts["values"].float()
        return values
    levels = _read_levels(parts, form)
    stored = (
        codes_from_bits(parts["codes"].numpy(), levels.code_bits, mask.count).astype(np.int32) + levels.low
    )
    codes = torch.zeros(rows, inputs, dtype=torch.int32)
    codes[mask.tensor] = torch.from_numpy(stored)
    return levels.decode(codes).masked_fill_(~mask.tensor, 0.0)


def _read_levels(parts: Mapping[str, Tensor], form: Mapping[str, Any]) -> Levels:
    match form["levels"]:
        case "grid":
            return Grid(parts["scale"], form["low"], form["high"], parts.get("zero_point"), form["group"])
        case "exponential":
            return Exponential(parts["top"].to(torch.int32), form["count"], form["group"])
        case "scaled_table":
            return ScaledTable(parts["table"], parts["scale"], form["group"])
        case "table":
            return Table(parts["table"])
        case other:
            raise ValueError(other)


_CODES_AT_ONCE = 2**18  # a multiple of 8: every piece of packed codes fills whole bytes


def codes_to_bits(codes: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned codes [n] at a fixed number of bits, most significant first -> bytes uint8."""
    if bits == 8:
        return codes.astype(np.uint8)
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint16)
    pieces = [codes[i : i + _CODES_AT_ONCE, None] for i in range(0, max(1, len(codes)), _CODES_AT_ONCE)]
    return np.concatenate([np.packbits(((c >> shifts) & 1).astype(np.uint8).reshape(-1)) for c in pieces])


def codes_from_bits(packed: np.ndarray, bits: int, count: int) -> np.ndarray:
    """The reverse of `pack`: codes [count] uint16."""
    if not 1 <= bits <= 16 or len(packed) * 8 < count * bits:
        raise ValueError(bits)
    if bits == 8:
        return packed[:count].astype(np.uint16)
    flags = np.unpackbits(packed, count=count * bits).reshape(count, bits)
    codes = np.zeros(count, dtype=np.uint16)
    for place in range(bits):
        codes |= flags[:, place].astype(np.uint16) << np.uint16(bits - 1 - place)
    return codes


def stored_shape(shape: torch.Size) -> tuple[int, int]:
    """[out, in, *k] -> [out, in * k], the form in which every weight is coded."""
    return shape[0], math.prod(shape[1:])


def kernel_shape(stored: Sequence[int], kernel: Sequence[int]) -> torch.Size:
    """The reverse of `stored_shape`, for a kernel [*k]; raises ValueError where it does not fit."""
    rows, columns = stored
    positions = math.prod(kernel)
    if positions < 1 or columns % positions:
        raise ValueError(stored)
    return torch.Size([rows, columns // positions, *kernel])
