"""What a packed file says of each tensor before the tensors themselves: name, kind, shape, lengths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from compress_core.deliver.packing.bytestream import Reader, Writer
from compress_core.deliver.packing.coder import Damaged, TooMuch

TWIN, PLAIN, CODED, TURNED, VIEW, SMALL, SPARSE = range(7)  # numbers in a file: never change, only append
_MOST_AXES, _MOST_ENTRIES = 16, 2**16


def _listed(*names: str) -> bytes:
    return b"".join(bytes([len(name)]) + name.encode() for name in names)


_BOTH, _NORM = ("weight", "bias"), ("running_mean", "running_var", "num_batches_tracked")
# What deflate finds names and shapes in, the commonest last. Files of version 2 need it as it is.
COMMON = (
    _listed("attention.in_proj_weight", "attention.out_proj.weight", "norm1.weight", "norm2.weight")
    + _listed("blocks.0.attention.q.weight", "layer1.0.conv1.weight", "layer1.0.downsample.0.weight")
    + _listed(*(f"layer1.0.{norm}.{part}" for norm in ("bn1", "bn2") for part in (*_BOTH, *_NORM)))
    + _listed(*(f"features.{index}.{part}" for index in (0, 3, 6) for part in _BOTH))
    + _listed(*(f"classifier.{index}.{part}" for index in (1, 4, 6) for part in _BOTH))
    + _listed(*(f"{index}.{part}" for index in (0, 2, 4) for part in _BOTH))
    + _listed(*(f"{layer}.{part}" for layer in ("conv1", "conv2", "fc1", "fc2", "fc3") for part in _BOTH))
    + bytes([SMALL, 1, 0, 0, SPARSE, 4, 65, 0, 4, 4, 1, SMALL, 1, 0, 0, SPARSE, 2, 101, 0, 1, SMALL, 1, 0, 0])
)


@dataclass(frozen=True)
class Entry:
    """A tensor [*shape]; a twin has no shape of its own.

    about: by kind. TWIN: which earlier entry it is. VIEW: the entry it lies in, strides, offset. PLAIN and
    SMALL: the number of its type. TURNED: groups. CODED and SPARSE: rows of each block. lengths: bytes of
    each of its contents.
    """

    kind: int
    shape: tuple[int, ...] = ()
    about: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()


def write_directory(names: Iterable[str], entries: Sequence[Entry]) -> bytes:
    """All names, then kinds and shapes; an axis as long as the first of the matrix before is written as 0."""
    writer = Writer()
    writer.number(len(entries))
    for name in names:
        writer.run(name.encode())
    rows = None
    for entry in entries:
        writer.number(entry.kind)
        if entry.kind != TWIN:
            writer.number(len(entry.shape))
        for length in entry.shape:
            writer.number(0 if length == rows else length + 1)
        rows = _rows_after(rows, entry.shape)
        is_one = entry.kind in (CODED, SPARSE) and len(entry.about) == 1  # block, whose rows are known
        blocks = (len(entry.about),) if entry.kind in (CODED, SPARSE) else ()
        for number in (*blocks, *(() if is_one else entry.about), *entry.lengths):
            writer.number(number)
    return writer.content()


def read_directory(content: bytes) -> dict[str, Entry]:
    """The reverse, by name; raises Damaged."""
    reader = Reader(content)
    names = [reader.run().decode() for _ in range(_count(reader))]
    rows, entries = None, []
    for _ in names:
        kind = reader.number()
        shape = () if kind == TWIN else tuple(_axis(reader.number(), rows) for _ in range(_axes(reader)))
        rows = _rows_after(rows, shape)
        entries.append(_with_numbers(reader, kind, shape, 1))
    return _by_name(reader, names, entries)


def read_directory_1(content: bytes) -> dict[str, Entry]:
    """The directory of a file of version 1: each name before its entry, and every number in full."""
    reader, names, entries = Reader(content), [], []
    for _ in range(_count(reader)):
        names.append(reader.run().decode())
        kind = reader.number()
        if kind > VIEW:
            raise Damaged
        first = (reader.number(),) if kind in (TWIN, PLAIN, VIEW) else ()
        shape = () if kind == TWIN else tuple(reader.number() for _ in range(_axes(reader)))
        if kind in (CODED, TURNED):
            entries.append(_with_numbers(reader, kind, shape, 0))
            continue
        more = tuple(reader.number() for _ in range(len(shape) + 1)) if kind == VIEW else ()
        lengths = (reader.number(),) if kind == PLAIN else ()
        entries.append(Entry(kind, shape, (*first, *more), lengths))
    return _by_name(reader, names, entries)


def _with_numbers(reader: Reader, kind: int, shape: tuple[int, ...], understood: int) -> Entry:
    """understood: of how many blocks the rows are not written, since they are all of them."""
    match kind:
        case 2 | 6:
            blocks = reader.number()
            if not shape or not 1 <= blocks <= max(1, shape[0]):
                raise Damaged
            rows = shape[:1] if blocks == understood else tuple(reader.number() for _ in range(blocks))
            lengths = tuple(reader.number() for _ in range(blocks)) if kind == CODED else ()
            return Entry(kind, shape, rows, lengths)
        case 0 | 5:
            return Entry(kind, shape, (reader.number(),))
        case 1 | 3:
            return Entry(kind, shape, (reader.number(),), (reader.number(),))
        case 4:
            return Entry(kind, shape, tuple(reader.number() for _ in range(len(shape) + 2)))
        case _:
            raise Damaged


def _count(reader: Reader) -> int:
    count = reader.number()
    if count > _MOST_ENTRIES:
        raise TooMuch
    return count


def _axes(reader: Reader) -> int:
    axes = reader.number()
    if axes > _MOST_AXES:
        raise Damaged
    return axes


def _axis(number: int, rows: int | None) -> int:
    if number:
        return number - 1
    if rows is None:
        raise Damaged
    return rows


def _rows_after(rows: int | None, shape: tuple[int, ...]) -> int | None:
    return shape[0] if len(shape) > 1 else rows


def _by_name(reader: Reader, names: Sequence[str], entries: Sequence[Entry]) -> dict[str, Entry]:
    reader.at_end()
    if len(set(names)) != len(names):
        raise Damaged
    return dict(zip(names, entries, strict=True))
