"""How many bytes a model takes, in every way people count them, and why the ways differ."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.texts import Phrase
from compress_core.measure.cost.cost import count_layers, zeros_of
from compress_core.network.one_memory import views_in

_EFFORT = 6  # gzip's usual one


@dataclass(frozen=True)
class SizeRow:
    """One way to say how large a model is.

    number: exact where it was counted from shapes and codes, measured where a content was really made
    and its length taken; note: one sentence on why it differs from the others.
    """

    name: str
    label: Phrase
    number: Number
    note: Phrase

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "label": str(self.label),
            "number": self.number.as_json(),
            "note": str(self.note),
        }


_SAID: Mapping[str, tuple[Phrase, Phrase]] = MappingProxyType(
    {
        "zeros": (
            Phrase("Share of zeros"),
            Phrase("A zero saves nothing by itself: that depends on how positions and values are written."),
        ),
        "parameters": (
            Phrase("Numbers in the network"),
            Phrase("Zeros are counted like all others; only removed channels and factors lower it."),
        ),
        "values": (
            Phrase("Values"),
            Phrase("Codes or values of the kept weights, at a fixed length."),
        ),
        "positions": (
            Phrase("Positions"),
            Phrase("A bit for each weight says whether it was kept."),
        ),
        "tables": (
            Phrase("Tables"),
            Phrase("Scales and codebooks that give the codes their meaning."),
        ),
        "dense": (
            Phrase("Dense, 32 bits"),
            Phrase("Every number at full length, as a checkpoint holds it: pruning does not change it."),
        ),
        "dense_gzip": (
            Phrase("Dense, gzip"),
            Phrase("gzip finds runs of zeros, but not that a weight takes one of a few levels per row."),
        ),
        "csr": (
            Phrase("CSR, 32-bit indices"),
            Phrase("32 bits for each kept weight and 32 for its column: below half zeros larger than dense."),
        ),
        "csr_gzip": (
            Phrase("CSR, gzip"),
            Phrase("Columns are small numbers in wide fields, which gzip narrows."),
        ),
        "bitmask": (
            Phrase("Bit mask and codes"),
            Phrase(
                "A bit for each position where that pays, and codes at a fixed length: no entropy coding."
            ),
        ),
        "container": (
            Phrase("Plain file"),
            Phrase("The same with names and shapes, in a file of safetensors."),
        ),
        "container_gzip": (
            Phrase("Plain file, gzip"),
            Phrase("gzip works on whole bytes, while codes of few bits cross them."),
        ),
        "packed": (
            Phrase("Packed file"),
            Phrase("Flags and codes entropy-coded with what lies around them; what is written and sent."),
        ),
        "packed_gzip": (
            Phrase("Packed file, gzip"),
            Phrase("What is packed looks random: gzip finds hardly more, or just adds its own header."),
        ),
    }
)


def byte_sizes(model: Model, container: bytes, packed: bytes) -> tuple[SizeRow, ...]:
    """All ways side by side; container and packed are the two files' contents as written.

    Whoever calls hands the files in, since how they are written is not known here.
    """
    tensors = _once(model)
    made = {
        "dense_gzip": _zipped(b"".join(_bytes(t) for t in tensors)),
        "csr_gzip": _zipped(b"".join(_csr(t) for t in tensors)),
        "container": _length(container),
        "container_gzip": _zipped(container),
        "packed": _length(packed),
        "packed_gzip": _zipped(packed),
    }
    return _rows(model, {**_exact(model, tensors), **made})


def counted_sizes(model: Model, packed: Number | None = None) -> tuple[SizeRow, ...]:
    """The ways that can be counted without making a file or compressing one; packed: where it is known."""
    known = {} if packed is None else {"packed": packed}
    return _rows(model, {**_exact(model, _once(model)), **known})


def _rows(model: Model, numbers: Mapping[str, Number]) -> tuple[SizeRow, ...]:
    said = dict(_SAID)
    if model.subject.came_as:
        said["dense"] = (Phrase("Dense, as it came"), said["dense"][1])
    return tuple(
        SizeRow(name, label, numbers[name], note) for name, (label, note) in said.items() if name in numbers
    )


def _once(model: Model) -> tuple[Tensor, ...]:
    """Every tensor of the shipped network; one that has several names, or lies in another, counts once."""
    found: dict[tuple[object, ...], tuple[str, Tensor]] = {}
    for name, tensor in model.network().state_dict().items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride()) if tensor.numel() else (name,)
        found.setdefault(place, (name, tensor.detach()))
    views = views_in(dict(found.values()))
    return tuple(model.as_it_came(name, tensor) for name, tensor in found.values() if name not in views)


def _exact(model: Model, tensors: Sequence[Tensor]) -> Mapping[str, Number]:
    zeros, weights = zeros_of(count_layers(model))
    bits = model.bits
    counted = {
        "values": bits.values // 8,
        "positions": bits.positions // 8,
        "tables": bits.tables // 8,
        "dense": sum(t.nbytes for t in tensors),
        "csr": sum(_csr_bytes(t) for t in tensors),
        "bitmask": bits.total // 8,
        "container": model.file_bytes,
    }
    return {
        "zeros": Number(zeros.total / max(1, weights), "share", "exact"),
        "parameters": Number(float(sum(t.numel() for t in tensors)), "parameter", "exact"),
        **{name: Number(float(size), "byte", "exact") for name, size in counted.items()},
    }


def _length(content: bytes) -> Number:
    return Number(float(len(content)), "byte", "measured")


def _zipped(content: bytes) -> Number:
    return _length(gzip.compress(content, _EFFORT, mtime=0))


def _bytes(tensor: Tensor) -> bytes:
    if not tensor.numel():
        return b""
    content: bytes = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return content


def _csr_bytes(tensor: Tensor) -> int:
    """Bytes of `_csr` without making them."""
    if tensor.dim() < 2 or not tensor.numel():
        return tensor.nbytes
    return int(torch.count_nonzero(tensor)) * (tensor.element_size() + 4) + 4 * (len(tensor) + 1)


def _csr(tensor: Tensor) -> bytes:
    """Values, columns and row starts; what has one axis stays dense."""
    if tensor.dim() < 2 or not tensor.numel():
        return _bytes(tensor)
    matrix = tensor.flatten(1)
    rows, columns = torch.nonzero(matrix, as_tuple=True)
    starts = np.searchsorted(rows.numpy(), np.arange(len(matrix) + 1)).astype("<i4").tobytes()
    return _bytes(matrix[rows, columns]) + columns.numpy().astype("<i4").tobytes() + starts
