"""The tensors of a network by the names of its state: coded, stored as it is, twins, and views of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from compress_core.deliver.packing.bytestream import Reader
from compress_core.deliver.packing.coder import FREE, Allowance, Damaged, Reading, Writing
from compress_core.deliver.packing.directory import (
    CODED,
    PLAIN,
    SMALL,
    SPARSE,
    TURNED,
    TWIN,
    VIEW,
    Entry,
    read_directory,
    write_directory,
)
from compress_core.deliver.packing.joint_stream import JointStream
from compress_core.deliver.packing.numbers import pack_numbers, read_numbers, type_number, type_of
from compress_core.deliver.packing.shorter_way import sparse_steps
from compress_core.deliver.packing.small_numbers import code_small, is_small, likely_zeros
from compress_core.deliver.packing.sparse_matrix import LevelSteps
from compress_core.deliver.packing.sparse_weight import read_sparse, write_sparse
from compress_core.deliver.packing.weight_stream import pack_weight, read_weight
from compress_core.deliver.same_bits import same_bits
from compress_core.network.one_memory import MemoryView
from compress_core.techniques.contract.encoded import EncodedWeight

_RESERVED = "__metadata__"  # no tensor of safetensors can have this name


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
    """A tensor: what the directory says of it, and its bytes, or how it is written into the joint stream."""

    entry: Entry
    contents: tuple[bytes, ...] = ()
    write: Callable[[JointStream], None] | None = None

    @property
    def bytes_apart(self) -> int:
        """How many bytes it has outside of the joint stream, also where they were let go."""
        return sum(self.entry.lengths)


def twin_of(index: int) -> Piece:
    """The same tensor as an earlier entry."""
    return Piece(Entry(TWIN, (), (index,)))


def view_in(index: int, view: MemoryView) -> Piece:
    """A tensor that lies in the memory of another entry, such as its transpose."""
    return Piece(Entry(VIEW, view.shape, (index, *view.stride, view.offset)))


def plain(tensor: Tensor) -> Piece:
    """A tensor of any shape, stored as it is."""
    shape, about = tuple(tensor.shape), (type_number(tensor),)
    if is_small(tensor):
        return Piece(Entry(SMALL, shape, about), write=partial(_write_small, tensor))
    content = pack_numbers(tensor)
    return Piece(Entry(PLAIN, shape, about, (len(content),)), (content,))


def _write_small(tensor: Tensor, stream: JointStream) -> None:
    likely = likely_zeros(stream, tensor.numel())
    code_small(stream, tuple(tensor.shape), tensor.dtype, tensor, likely)


def encoded(tensor: Tensor, blocks: Sequence[WeightBlock]) -> Piece:
    """A tensor [rows, ...] that consists of coded weights, one above the other."""
    shape, groups = tuple(tensor.shape), blocks[0].groups
    rows = tuple(block.rows for block in blocks)
    if not groups:
        found = [(block.encoded, sparse_steps(block.encoded)) for block in blocks]
        sparse = [(weight, steps) for weight, steps in found if steps is not None]
        if len(sparse) == len(blocks):
            return Piece(Entry(SPARSE, shape, rows), write=partial(_write_weights, sparse))
    contents = tuple(pack_weight(block.encoded) for block in blocks)
    lengths = tuple(map(len, contents))
    return Piece(
        Entry(TURNED, shape, (groups,), lengths) if groups else Entry(CODED, shape, rows, lengths), contents
    )


def _write_weights(weights: Sequence[tuple[EncodedWeight, LevelSteps]], stream: JointStream) -> None:
    for weight, steps in weights:
        write_sparse(stream, weight, steps)


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


def write_pieces(pieces: Mapping[str, Piece]) -> tuple[bytes, bytes]:
    """(directory, contents): what is said of each tensor; and all bytes, the joint stream last."""
    directory, stream = write_around(pieces)
    apart = b"".join(content for piece in pieces.values() for content in piece.contents)
    return directory, apart + stream


def write_around(pieces: Mapping[str, Piece]) -> tuple[bytes, bytes]:
    """(directory, joint stream): all but the contents that are written apart."""
    writing = Writing()
    stream = JointStream(writing)
    for piece in pieces.values():
        if piece.write is not None:
            piece.write(stream)
    return write_directory(pieces, [piece.entry for piece in pieces.values()]), writing.shortest()


def read_pieces(
    directory: bytes,
    contents: bytes,
    most_values: int = FREE,
    most_work: int = FREE,
    read: Callable[[bytes], dict[str, Entry]] = read_directory,
) -> dict[str, Tensor]:
    """The tensors by name, twins as one object, views in the memory of theirs; raises Damaged.

    No more than `most_values` values are made, twins and views counted each time, and no more work is done
    than `most_work`, whatever the directory says. read: what reads the directory of this version.
    """
    entries = read(directory)
    if _RESERVED in entries:
        raise Damaged
    allowance, payload = Allowance(most_values, most_work), Reader(contents)
    allowance.take(values=sum(math.prod(entry.shape) for entry in entries.values() if entry.kind != TWIN))
    apart = Reader(payload.raw(sum(sum(entry.lengths) for entry in entries.values())))
    stream = JointStream(Reading.of_shortest(payload.rest()), allowance)
    made: list[Tensor] = []
    for entry in entries.values():
        made.append(_read_entry(entry, apart, stream, allowance, made))
    views = {index: entry for index, entry in enumerate(entries.values()) if entry.kind == VIEW}
    for index, entry in views.items():
        of = entry.about[0]
        made[index] = _seen(_earlier(made, -1 if of in views else of), entry)
    return dict(zip(entries, made, strict=True))


def _read_entry(
    entry: Entry, apart: Reader, stream: JointStream, allowance: Allowance, made: Sequence[Tensor]
) -> Tensor:
    """A tensor [*shape] of any kind; a view, which may lie in a later one, is empty so far."""
    if entry.kind == TWIN:
        twin = _earlier(made, entry.about[0])
        allowance.take(values=twin.numel())
        return twin
    shape, about = entry.shape, entry.about
    columns = math.prod(shape[1:])
    match entry.kind:
        case 1:
            return read_numbers(apart.raw(entry.lengths[0]), about[0], shape, allowance)
        case 2:
            blocks = zip(_rows_of(entry), entry.lengths, strict=True)
            parts = [read_weight(apart.raw(n), rows, columns, allowance) for rows, n in blocks]
        case 3:
            return _read_turned(entry, apart, allowance)
        case 4:
            return torch.empty(0)
        case 5:
            likely = likely_zeros(stream, math.prod(shape))
            return code_small(stream, shape, type_of(about[0]), None, likely)
        case 6:
            parts = [read_sparse(stream, rows, columns) for rows in _rows_of(entry)]
        case _:
            raise Damaged
    return _laid_out(parts, shape, 0)


def _rows_of(entry: Entry) -> tuple[int, ...]:
    if not entry.shape or sum(entry.about) != entry.shape[0]:
        raise Damaged
    return entry.about


def _seen(whole: Tensor, entry: Entry) -> Tensor:
    """The view in a tensor of any shape, where all of it lies there; raises Damaged."""
    _, *stride, offset = entry.about
    last = offset + sum((n - 1) * step for n, step in zip(entry.shape, stride, strict=True))
    if not whole.is_contiguous() or not math.prod(entry.shape) or last >= whole.numel():
        raise Damaged
    return MemoryView("", entry.shape, tuple(stride), offset).seen_in(whole)


def _earlier(made: Sequence[Tensor], index: int) -> Tensor:
    if not 0 <= index < len(made):
        raise Damaged
    return made[index]


def _read_turned(entry: Entry, apart: Reader, allowance: Allowance) -> Tensor:
    (groups,), (inputs, outputs, *window) = entry.about, entry.shape
    if groups < 1 or inputs % groups:
        raise Damaged
    columns = inputs // groups * math.prod(window)
    matrix = read_weight(apart.raw(entry.lengths[0]), outputs * groups, columns, allowance)
    return _laid_out([matrix], entry.shape, groups)
