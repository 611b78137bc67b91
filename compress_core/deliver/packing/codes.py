"""The codes of the kept weights, written in the shortest of three ways.

FIXED: as many bits as the largest code needs. PLAIN: entropy-coded, no context. AROUND: bit by bit from
the highest, every bit predicted from the codes around it that were written before and from which
weights around it were kept at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from compress_core.deliver.packing.bytestream import Reader, Writer
from compress_core.deliver.packing.coder import STEP, Allowance, Coder, Damaged, Ints, Reading, Writing
from compress_core.deliver.packing.logistic import Mixer
from compress_core.deliver.packing.neighbors import WHOLE, Around, Crop, Scan, shortest
from compress_core.deliver.packing.symbols import code_symbols
from compress_core.foundation.machine_code import compiled
from compress_core.techniques.contract.encoded import codes_from_bits, codes_to_bits

FIXED, PLAIN, AROUND = range(3)
SMALLEST_AROUND = 1024  # codes; fewer teach too little
LARGEST_ALPHABET = 256
_SIZES = (1, 17, 64, 64)  # contexts of each kind, for every beginning of a code
_KINDS = np.array(_SIZES)[:, None]


def pack_codes(codes: np.ndarray, mask: np.ndarray, alphabet: int) -> bytes:
    """Codes [rows, columns] of the kept weights, 0 <= code < alphabet -> bytes."""
    return min(_ways(codes, mask, alphabet), key=len)


def _ways(codes: np.ndarray, mask: np.ndarray, alphabet: int) -> Iterator[bytes]:
    flat = codes[mask].astype(np.int64)
    yield bytes([FIXED]) + codes_to_bits(flat.astype(np.uint16), _bits(alphabet)).tobytes()
    if alphabet > LARGEST_ALPHABET:
        return
    plain = partial(_plain, codes, mask, alphabet)
    yield bytes([PLAIN]) + plain(WHOLE)
    if len(flat) >= SMALLEST_AROUND:
        centerd = np.where(mask, 2 * codes.astype(np.int64) - (alphabet - 1), 0)
        found = shortest(centerd, partial(_written, codes, mask, alphabet), plain)
        if found is not None:
            scan, content = found
            writer = Writer()
            writer.raw(bytes([AROUND]))
            scan.write(writer)
            writer.raw(content)
            yield writer.content()


def _plain(codes: np.ndarray, mask: np.ndarray, alphabet: int, crop: Crop) -> bytes:
    coder = Writing()
    flat = codes[crop][mask[crop]].astype(np.int64)
    code_symbols(coder, max(2, alphabet), len(flat), flat)
    return coder.content()


def _bits(alphabet: int) -> int:
    return max(1, (alphabet - 1).bit_length())


def _written(codes: np.ndarray, mask: np.ndarray, alphabet: int, scan: Scan, crop: Crop) -> bytes:
    coder = Writing()
    known = np.where(mask, codes, 0)[crop].astype(np.int16)
    codes_around(coder, scan.columns(mask[crop]), alphabet, scan.stride, scan.columns(known))
    return coder.content()


def read_codes(
    content: bytes, mask: np.ndarray, alphabet: int, allowance: Allowance | None = None
) -> np.ndarray:
    """The reverse of `pack_codes`: codes [rows, columns] int16, 0 where nothing was kept; raises Damaged."""
    reader = Reader(content)
    count, allowance = int(mask.sum()), allowance or Allowance()
    allowance.take(work=count)
    codes = np.zeros(mask.shape, dtype=np.int16)
    match reader.raw(1)[0]:
        case 0:
            if len(content) - 1 != (count * _bits(alphabet) + 7) // 8:
                raise Damaged
            codes[mask] = codes_from_bits(np.frombuffer(content[1:], np.uint8), _bits(alphabet), count)
        case 1 if alphabet <= LARGEST_ALPHABET:
            codes[mask] = code_symbols(Reading(content[1:]), max(2, alphabet), count)
        case 2 if alphabet <= LARGEST_ALPHABET:
            scan = Scan.read(reader)
            steps, _ = scan.shape(*mask.shape)
            allowance.take(work=_bits(alphabet) * (STEP * steps + count))
            found = codes_around(Reading(reader.rest()), scan.columns(mask), alphabet, scan.stride)
            codes = scan.back(found).astype(np.int16)
        case _:
            raise Damaged
    if codes.size and int(codes.max()) >= alphabet:
        raise Damaged
    return codes


def codes_around(
    coder: Coder, mask: np.ndarray, alphabet: int, stride: int, truth: np.ndarray | None = None
) -> np.ndarray:
    """Write or read codes [steps, lines] int16 where mask [steps, lines]; 0 elsewhere."""
    steps, lines = mask.shape
    bits = _bits(alphabet)
    mixers = [Mixer([size << bit for size in _SIZES]) for bit in range(bits)]
    masks = Around(mask.astype(np.int8), stride)
    centerd = Around(np.zeros((steps, lines), dtype=np.int16), stride)
    sizes = np.zeros((2, lines), dtype=np.int64)  # sum of |centerd| and count, of each line so far
    codes = np.zeros((steps, lines), dtype=np.int16)
    for step in range(steps):
        at = np.flatnonzero(mask[step])
        if not len(at):
            continue
        contexts = _contexts(masks.all, centerd.all, sizes, masks.place(step), stride, at, alphabet)
        known = None if truth is None else truth[step, at].astype(np.int64)
        found = _code_bits(coder, mixers, contexts, known)
        codes[step, at] = found
        values = 2 * found - (alphabet - 1)
        centerd.at(step)[at] = values
        sizes[0, at] += np.abs(values)
        sizes[1, at] += 1
    return codes


def _code_bits(coder: Coder, mixers: list[Mixer], contexts: Ints, known: Ints | None) -> Ints:
    """Codes [n], the highest bit first; what is known of a code is part of each context."""
    begun = np.zeros(contexts.shape[1], dtype=np.int64)
    for bit, mixer in enumerate(mixers):
        truth = None if known is None else (known >> (len(mixers) - 1 - bit)) & 1
        begun = 2 * begun + mixer.code(coder, _KINDS * begun + contexts, truth)
    return begun


@compiled
def _contexts(
    masks: NDArray[np.int8],
    centerd: NDArray[np.int16],
    sizes: Ints,
    here: int,
    stride: int,
    at: Ints,
    alphabet: int,
) -> Ints:
    """[4, n] for each kept weight: nothing, the mean of the codes around, the two nearest, its line.

    masks, centerd [., lines] with margins; here: the row of them that is written; at [n]: which lines.
    """
    top = max(1, alphabet - 1)
    found = np.zeros((4, len(at)), dtype=np.int64)
    for place, line in enumerate(at):
        left, up = int(centerd[here - 1, line]), int(centerd[here - stride, line])
        up_left = int(centerd[here - stride - 1, line])
        up_right = int(centerd[here - stride + 1, line])
        known = 2 * (left != 0) + 2 * (up != 0) + (up_left != 0) + (up_right != 0)
        mean = (2 * left + 2 * up + up_left + up_right) // max(1, known)
        company = masks[here - 1, line] + masks[here + 1, line]
        for around in (-1, 0, 1):
            company += masks[here - stride + around, line]
        for around in (-1, 0):
            company += masks[here + stride + around, line]
        size = min((int(sizes[0, line]) + alphabet) * 8 // ((int(sizes[1, line]) + 2) * (alphabet + 1)), 7)
        found[1, place] = mean * 8 // top + 8  # |left| <= top, so that this lies in 0 to 16
        found[2, place] = min(left * 4 // top + 4, 7) * 8 + min(up * 4 // top + 4, 7)
        found[3, place] = size * 8 + company
    return found
