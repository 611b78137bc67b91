"""The tensors of a network by the names of its state: coded, stored as it is, twins, and views of others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compress_core.deliver.packing.bytestream import Reader, Writer
from compress_core.deliver.packing.coder import FREE, Allowance, Damaged, TooMuch
from compress_core.deliver.packing.numbers import pack_numbers, read_numbers, type_number
from compress_core.deliver.packing.weight_stream import pack_weight, read_weight
from compress_core.deliver.same_bits import same_bits
from compress_core.network.one_memory import MemoryView
from compress_core.techniques.contract.encoded import EncodedWeight

TWIN, PLAIN, CODED, TURNED, VIEW = range(5)
_MOST_AXES = 16
_RESERVED = "__metadata__"  # no tensor of safetensors can have this name
_MOST_ENTRIES = 2**16


@dataclass(frozen=True)
class WeightBlock:
    """A coded weight and how it lies in its tensor.

    rows: how many of the tensor's first axis; groups: of a transposed convolution, 0 for all others.
    """

    encoded: EncodedWeight
    rows: int
    groups: int = 0


@dataclass(frozen=True)
class Piece:
    """One entry: what the directory says of it, and its bytes."""

    kind: int
    about: bytes
    contents: tuple[bytes, ...] = ()


def twin_of(index: int) -> Piece:
    """The same tensor as an earlier entry."""
    writer = Writer()
    writer.number(index)
    return Piece(TWIN, writer.content())


def view_in(index: int, view: MemoryView) -> Piece:
    """A tensor that lies in the memory of another entry, such as its transpose."""
    writer = Writer()
    writer.number(index)
    _write_shape(writer, view.shape)
    for step in (*view.stride, view.offset):
        writer.number(step)
    return Piece(VIEW, writer.content())


def plain(tensor: Tensor) -> Piece:
    """A tensor of any shape, stored as it is."""
    writer = Writer()
    writer.number(type_number(tensor))
    _write_shape(writer, tuple(tensor.shape))
    return Piece(PLAIN, writer.content(), (pack_numbers(tensor),))


def encoded(tensor: Tensor, blocks: Sequence[WeightBlock]) -> Piece:
    """A tensor [rows, ...] that consists of coded weights, one above the other."""
    writer = Writer()
    _write_shape(writer, tuple(tensor.shape))
    groups = blocks[0].groups
    if groups:
        writer.number(groups)
    else:
        writer.number(len(blocks))
        for block in blocks:
            writer.number(block.rows)
    return Piece(TURNED if groups else CODED, writer.content(), tuple(pack_weight(b.encoded) for b in blocks))


def holds(tensor: Tensor, blocks: Sequence[WeightBlock]) -> bool:
    """Whether these blocks decode to exactly this tensor [rows, ...]."""
    if tensor.dtype != torch.float32 or sum(b.encoded.weight.numel() for b in blocks) != tensor.numel():
        return False
    if not blocks[0].groups and sum(block.rows for block in blocks) != len(tensor):
        return False
    laid_out = _laid_out([b.encoded.values for b in blocks], tuple(tensor.shape), blocks[0].groups)
    return same_bits(tensor, laid_out)


def _laid_out(matrices: Sequence[Tensor], shape: tuple[int, ...], groups: int) -> Tensor:
    """Matrices [rows, columns] as their tensor; a transposed convolution keeps [in, out / groups, *k]."""
    if not groups:
        return torch.cat(list(matrices)).reshape(shape)
    inputs, outputs, *window = shape
    kernel = matrices[0].reshape(groups, outputs, inputs // groups, *window)
    return kernel.transpose(1, 2).reshape(shape).contiguous()


def _write_shape(writer: Writer, shape: tuple[int, ...]) -> None:
    writer.number(len(shape))
    for length in shape:
        writer.number(length)


def _read_shape(reader: Reader) -> tuple[int, ...]:
    axes = reader.number()
    if axes > _MOST_AXES:
        raise Damaged
    return tuple(reader.number() for _ in range(axes))


def write_pieces(pieces: Mapping[str, Piece]) -> tuple[bytes, bytes]:
    """(directory, contents): names, kinds, shapes and lengths; and all bytes in a row."""
    directory = Writer()
    directory.number(len(pieces))
    for name, piece in pieces.items():
        directory.run(name.encode())
        directory.number(piece.kind)
        directory.raw(piece.about)
        for content in piece.contents:
            directory.number(len(content))
    return directory.content(), b"".join(c for piece in pieces.values() for c in piece.contents)


def read_pieces(
    directory: bytes, contents: bytes, most_values: int = FREE, most_work: int = FREE
) -> dict[str, Tensor]:
    """The tensors by name, twins as one object, views in the memory of theirs; raises Damaged.

    No more than `most_values` values are made, twins and views counted each time, and no more work is done
    than `most_work`, whatever the directory says.
    """
    about, payload = Reader(directory), Reader(contents)
    allowance = Allowance(most_values, most_work)
    made: list[Tensor] = []
    names: list[str] = []
    views: dict[int, tuple[int, MemoryView]] = {}  # of a tensor that may stand further down
    entries = about.number()
    if entries > _MOST_ENTRIES:
        raise TooMuch
    for _ in range(entries):
        names.append(about.run().decode())
        kind = about.number()
        if kind == TWIN:
            made.append(_earlier(made, about.number()))
            allowance.take(values=made[-1].numel())
        elif kind == VIEW:
            views[len(made)] = about.number(), _read_view(about, allowance)
            made.append(torch.empty(0))
        else:
            made.append(_read_piece(kind, about, payload, allowance))
    about.at_end()
    payload.at_end()
    if len(set(names)) != len(names) or _RESERVED in names:
        raise Damaged
    for index, (of, view) in views.items():
        made[index] = _seen(_earlier(made, -1 if of in views else of), view)
    return dict(zip(names, made, strict=True))


def _read_view(about: Reader, allowance: Allowance) -> MemoryView:
    shape = _read_shape(about)
    allowance.take(values=math.prod(shape))
    stride = tuple(about.number() for _ in shape)
    return MemoryView("", shape, stride, about.number())


def _seen(whole: Tensor, view: MemoryView) -> Tensor:
    """The view in a tensor of any shape, where all of it lies there; raises Damaged."""
    last = view.offset + sum((n - 1) * step for n, step in zip(view.shape, view.stride, strict=True))
    if not whole.is_contiguous() or not math.prod(view.shape) or last >= whole.numel():
        raise Damaged
    return view.seen_in(whole)


def _earlier(made: Sequence[Tensor], index: int) -> Tensor:
    if not 0 <= index < len(made):
        raise Damaged
    return made[index]


def _read_piece(kind: int, about: Reader, payload: Reader, allowance: Allowance) -> Tensor:
    number = about.number() if kind == PLAIN else 0
    shape = _read_shape(about)
    allowance.take(values=math.prod(shape))
    match kind:
        case 1:
            return read_numbers(payload.raw(about.number()), number, shape, allowance)
        case 2:
            return _read_blocks(about, payload, shape, allowance)
        case 3:
            return _read_turned(about, payload, shape, allowance)
        case _:
            raise Damaged


def _read_blocks(about: Reader, payload: Reader, shape: tuple[int, ...], allowance: Allowance) -> Tensor:
    blocks = about.number()
    if not shape or not 1 <= blocks <= shape[0]:
        raise Damaged
    rows = [about.number() for _ in range(blocks)]
    if sum(rows) != shape[0]:
        raise Damaged
    columns = math.prod(shape[1:])
    parts = [read_weight(payload.raw(about.number()), r, columns, allowance) for r in rows]
    return _laid_out(parts, shape, 0)


def _read_turned(about: Reader, payload: Reader, shape: tuple[int, ...], allowance: Allowance) -> Tensor:
    groups = about.number()
    inputs, outputs, *window = shape
    if groups < 1 or inputs % groups:
        raise Damaged
    columns = inputs // groups * math.prod(window)
    matrix = read_weight(payload.raw(about.number()), outputs * groups, columns, allowance)
    return _laid_out([matrix], shape, groups)
