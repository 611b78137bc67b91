"""How many bytes a model takes, in every way people count them, and why the ways differ."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from compress_core.measure.cost import zeros_of
from compress_core.measure.number import Number
from compress_core.model import Model
from compress_core.texts import Phrase

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


def sizes(model: Model, container: bytes, packed: bytes) -> tuple[SizeRow, ...]:
    """All ways side by side; container and packed are the two files' contents as written.

    Whoever calls hands the files in, since how they are written is not known here.
    """
    tensors = _once(model)
    return (*_counts(model, tensors), *_plain(tensors), *_files(model, container, packed))


def _once(model: Model) -> tuple[Tensor, ...]:
    """Every tensor of the shipped network; one that has several names counts once."""
    found: dict[tuple[object, ...], Tensor] = {}
    for name, tensor in model.network().state_dict().items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride()) if tensor.numel() else (name,)
        found.setdefault(place, tensor.detach())
    return tuple(found.values())


def _counts(model: Model, tensors: Sequence[Tensor]) -> Iterator[SizeRow]:
    zeros, weights = zeros_of(model)
    yield SizeRow(
        "zeros",
        Phrase("Share of zeros"),
        Number(zeros.total / max(1, weights), "share", "exact"),
        Phrase("A zero saves nothing by itself: that depends on how positions and values are written."),
    )
    yield SizeRow(
        "parameters",
        Phrase("Numbers in the network"),
        Number(float(sum(t.numel() for t in tensors)), "value", "exact"),
        Phrase("Zeros are counted like all others; only removed channels and factors lower it."),
    )
    items = (
        ("values", model.bits.values, Phrase("Codes or values of the kept weights, at a fixed length.")),
        ("positions", model.bits.positions, Phrase("A bit for each weight says whether it was kept.")),
        ("tables", model.bits.tables, Phrase("Scales and codebooks that give the codes their meaning.")),
    )
    labels = (Phrase("Values"), Phrase("Positions"), Phrase("Tables"))
    for (name, bits, note), label in zip(items, labels, strict=True):
        yield SizeRow(name, label, _counted(bits // 8), note)


def _plain(tensors: Sequence[Tensor]) -> Iterator[SizeRow]:
    """What other tools would store: every number, or CSR with 32-bit indices."""
    dense = b"".join(_bytes(t) for t in tensors)
    yield SizeRow(
        "dense",
        Phrase("Dense, 32 bits"),
        _counted(len(dense)),
        Phrase("Every number at full length, as a checkpoint holds it: pruning does not change it."),
    )
    yield SizeRow(
        "dense_gzip",
        Phrase("Dense, gzip"),
        _zipped(dense),
        Phrase("gzip finds runs of zeros, but not that a weight takes one of a few levels per row."),
    )
    csr = b"".join(_csr(t) for t in tensors)
    yield SizeRow(
        "csr",
        Phrase("CSR, 32-bit indices"),
        _counted(len(csr)),
        Phrase("32 bits for each kept weight and 32 for its column: below half zeros larger than dense."),
    )
    yield SizeRow(
        "csr_gzip",
        Phrase("CSR, gzip"),
        _zipped(csr),
        Phrase("Columns are small numbers in wide fields, which gzip narrows."),
    )


def _files(model: Model, container: bytes, packed: bytes) -> Iterator[SizeRow]:
    """Our two files and what is in them."""
    yield SizeRow(
        "bitmask",
        Phrase("Bit mask and codes"),
        _counted(model.bits.total // 8),
        Phrase("A bit for each position where that pays, and codes at a fixed length: no entropy coding."),
    )
    yield SizeRow(
        "container",
        Phrase("Plain file"),
        _length(container),
        Phrase("The same with names and shapes, in a format that other tools open."),
    )
    yield SizeRow(
        "container_gzip",
        Phrase("Plain file, gzip"),
        _zipped(container),
        Phrase("gzip works on whole bytes, while codes of few bits cross them."),
    )
    yield SizeRow(
        "packed",
        Phrase("Packed file"),
        _length(packed),
        Phrase("Flags and codes entropy-coded with what lies around them; what is written and sent."),
    )
    yield SizeRow(
        "packed_gzip",
        Phrase("Packed file, gzip"),
        _zipped(packed),
        Phrase("Nothing is left to find: gzip adds its own header."),
    )


def _counted(size: int) -> Number:
    return Number(float(size), "byte", "exact")


def _length(content: bytes) -> Number:
    return Number(float(len(content)), "byte", "measured")


def _zipped(content: bytes) -> Number:
    return _length(gzip.compress(content, _EFFORT, mtime=0))


def _bytes(tensor: Tensor) -> bytes:
    if not tensor.numel():
        return b""
    content: bytes = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return content


def _csr(tensor: Tensor) -> bytes:
    """Values, columns and row starts; what has one axis stays dense."""
    if tensor.dim() < 2 or not tensor.numel():
        return _bytes(tensor)
    matrix = tensor.flatten(1)
    rows, columns = torch.nonzero(matrix, as_tuple=True)
    starts = np.searchsorted(rows.numpy(), np.arange(len(matrix) + 1)).astype("<i4").tobytes()
    return _bytes(matrix[rows, columns]) + columns.numpy().astype("<i4").tobytes() + starts
