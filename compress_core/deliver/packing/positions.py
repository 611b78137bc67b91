"""Which weights were kept: a flag each, written in the shortest of three ways.

BITS: eight flags a byte. PLAIN: entropy-coded, no context. AROUND: every flag is predicted from the
flags around it that were written before, from the share of its row and of the columns nearby. Gaps
between kept weights are no way of their own: coded ideally they were longer wherever AROUND was tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from compress_core.deliver.packing.bytestream import Reader, Writer, bits_to_bytes, bytes_to_bits
from compress_core.deliver.packing.coder import (
    STEP,
    Allowance,
    Coder,
    Damaged,
    Ints,
    Reading,
    Writing,
    refuse_more_than,
)
from compress_core.deliver.packing.logistic import Mixer
from compress_core.deliver.packing.neighbors import WHOLE, Around, Crop, Scan, shortest
from compress_core.deliver.packing.symbols import code_symbols
from compress_core.foundation.machine_code import compiled

BITS, PLAIN, AROUND = range(3)
SMALLEST_AROUND = 1024  # weights; fewer teach too little
_DENSITIES = 16


def pack_positions(mask: np.ndarray) -> bytes:
    """Flags [rows, columns] bool -> bytes."""
    return min(_ways(mask), key=len)


def _ways(mask: np.ndarray) -> Iterator[bytes]:
    flat = mask.reshape(-1).view(np.uint8)
    yield bytes([BITS]) + bits_to_bytes(flat)
    plain = partial(_plain, mask)
    yield bytes([PLAIN]) + plain(WHOLE)
    if len(flat) >= SMALLEST_AROUND:
        share = 4096 * int(flat.sum(dtype=np.int64)) // len(flat)
        found = shortest(mask, partial(_written, mask, share), plain)
        if found is not None:
            scan, content = found
            writer = Writer()
            writer.raw(bytes([AROUND]))
            scan.write(writer)
            writer.number(share)
            writer.raw(content)
            yield writer.content()


def _plain(mask: np.ndarray, crop: Crop) -> bytes:
    coder = Writing()
    flat = mask[crop].reshape(-1).view(np.uint8)
    code_symbols(coder, 2, len(flat), flat)
    return coder.content()


def _written(mask: np.ndarray, share: int, scan: Scan, crop: Crop) -> bytes:
    coder = Writing()
    columns = scan.columns(mask[crop]).astype(np.uint8)
    flags_around(coder, columns.shape, scan.stride, share, columns)
    return coder.content()


def read_positions(content: bytes, rows: int, columns: int, allowance: Allowance | None = None) -> np.ndarray:
    """The reverse of `pack_positions`: flags [rows, columns] bool; raises Damaged."""
    refuse_more_than(len(content), rows * columns)
    allowance = allowance or Allowance()
    allowance.take(work=rows * columns)
    reader = Reader(content)
    match reader.raw(1)[0]:
        case 0:
            return bytes_to_bits(content[1:], rows * columns).astype(bool).reshape(rows, columns)
        case 1:
            flags = code_symbols(Reading(content[1:]), 2, rows * columns)
            return flags.astype(bool).reshape(rows, columns)
        case 2:
            scan, share = Scan.read(reader), reader.number()
            if share > 4096:
                raise Damaged
            shape = scan.shape(rows, columns)
            allowance.take(work=STEP * shape[0])
            found = flags_around(Reading(reader.rest()), shape, scan.stride, share)
            return scan.back(found).astype(bool)
        case _:
            raise Damaged


def flags_around(
    coder: Coder, shape: tuple[int, int], stride: int, share: int, truth: np.ndarray | None = None
) -> np.ndarray:
    """Write or read flags [steps, lines] uint8; share of ones out of 4096."""
    steps, lines = shape
    around = Around(np.zeros(shape, dtype=np.uint8), stride)
    mixer = Mixer((128, 256, 256, 8), share)
    in_line = np.zeros(lines, dtype=np.int64)
    in_column = np.zeros(steps + stride, dtype=np.int64)  # the first `stride` stand before the matrix
    for step in range(steps):
        nearby = int(in_column[step + stride - 1] + in_column[step])
        columns_share = min(nearby * _DENSITIES // max(1, lines), _DENSITIES - 1)
        contexts = _contexts(around.all, around.place(step), stride, in_line, step, columns_share)
        flags = mixer.code(coder, contexts, None if truth is None else truth[step].astype(np.int64))
        around.set(step, flags)
        in_line += flags
        in_column[step + stride] = flags.sum()
    return around.inside()


@compiled
def _contexts(
    around: NDArray[np.uint8], here: int, stride: int, in_line: Ints, step: int, columns_share: int
) -> Ints:
    """[4, lines]: for each line: the flags around it, their number beside the shares of row and column.

    around [., lines] with margins; here: the row of it that is written; in_line [lines]: ones so far.
    """
    found = np.empty((4, len(in_line)), dtype=np.int64)
    for line in range(len(in_line)):
        left, left_2, up, up_left, up_right, up_2, up_right_2 = (
            np.int64(around[here - 1, line]),
            np.int64(around[here - 2, line]),
            np.int64(around[here - stride, line]),
            np.int64(around[here - stride - 1, line]),
            np.int64(around[here - stride + 1, line]),
            np.int64(around[here - stride - 2, line]),
            np.int64(around[here - stride + 2, line]),
        )
        near = left + 2 * up + 4 * up_left + 8 * up_right
        count = left + up + up_left + up_right
        share = min(in_line[line] * 2 * _DENSITIES // (step + 4), _DENSITIES - 1)
        found[0, line] = near + 16 * left_2 + 32 * up_2 + 64 * up_right_2
        found[1, line] = share * 16 + count
        found[2, line] = columns_share * 16 + near
        found[3, line] = count + left_2 + up_2 + up_right_2
    return found
