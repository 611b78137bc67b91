"""The codes of the kept weights, written in the shortest of three ways.

FIXED: as many bits as the largest code needs. PLAIN: entropy-coded, no context. AROUND: bit by bit from
the highest, every bit predicted from the codes around it that were written before and from which
weights around it were kept at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compress_core.deliver.packing.bytestream import Reader, Writer
from compress_core.deliver.packing.coder import STEP, Allowance, Damaged, Ints, Reading, Writing
from compress_core.deliver.packing.logistic import SLOWNESS, digit_mixing
from compress_core.deliver.packing.neighbors import WHOLE, Around, Crop, Scan, shortest
from compress_core.deliver.packing.range_coding import CoderState, Mixing, Words, code_mixed
from compress_core.deliver.packing.symbols import code_symbols
from compress_core.foundation.machine_code import compiled
from compress_core.techniques.contract.encoded import codes_from_bits, codes_to_bits

FIXED, PLAIN, AROUND = range(3)
SMALLEST_AROUND = 1024  # codes; fewer teach too little
LARGEST_ALPHABET = 256
_SIZES = (1, 17, 64, 64)  # contexts of each kind, for every beginning of a code
_KINDS = np.array(_SIZES)
_FLAGS_AT_ONCE = 2**16


def pack_codes(codes: np.ndarray, mask: np.ndarray, alphabet: int) -> bytes:
    """Codes [rows, columns] of the kept weights, 0 <= code < alphabet -> bytes."""
    return min(_ways(codes, mask, alphabet), key=len)


def _ways(codes: np.ndarray, mask: np.ndarray, alphabet: int) -> Iterator[bytes]:
    flat = codes.reshape(-1) if mask.all() else codes[mask]
    yield bytes([FIXED]) + codes_to_bits(flat.astype(np.uint16, copy=False), _bits(alphabet)).tobytes()
    if alphabet > LARGEST_ALPHABET:
        return
    plain = partial(_plain, codes, mask, alphabet)
    yield bytes([PLAIN]) + plain(WHOLE)
    if len(flat) >= SMALLEST_AROUND:
        centered = np.where(mask, 2 * codes.astype(np.int16) - np.int16(alphabet - 1), np.int16(0))
        found = shortest(centered, partial(_written, codes, mask, alphabet), plain)
        if found is not None:
            scan, content = found
            writer = Writer()
            writer.raw(bytes([AROUND]))
            scan.write(writer)
            writer.raw(content)
            yield writer.content()


def _plain(codes: np.ndarray, mask: np.ndarray, alphabet: int, crop: Crop) -> bytes:
    coder = Writing()
    flat = codes[crop].reshape(-1) if mask[crop].all() else codes[crop][mask[crop]]
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
    coder: Writing | Reading, mask: np.ndarray, alphabet: int, stride: int, truth: np.ndarray | None = None
) -> np.ndarray:
    """Write or read codes [steps, lines] int16 where mask [steps, lines]; 0 elsewhere."""
    steps, lines = mask.shape
    mixing = digit_mixing(_SIZES, _bits(alphabet))
    masks = Around(mask.astype(np.int8), stride)
    centered = Around(np.zeros((steps, lines), dtype=np.int16), stride)
    sizes = np.zeros((2, lines), dtype=np.int64)  # sum of |centered| and count, of each line so far
    codes = np.zeros((steps, lines), dtype=np.int16) if truth is None else np.where(mask, truth, np.int16(0))
    at_once = max(1, _FLAGS_AT_ONCE // (_bits(alphabet) * max(1, lines)))
    for first in range(0, steps, at_once):
        some = codes[first : first + at_once]
        around = Codes(masks.all, centered.all, sizes, masks.place(first), stride, alphabet)
        coder.run(_bits(alphabet) * some.size, partial(_by, mixing, around, some))
    return codes


class Codes(NamedTuple):
    """What codes are predicted from: masks and centered [., lines] with margins; here: the row to begin at.

    sizes [2, lines]: sum of |centered| and count, of each line so far.
    """

    masks: NDArray[np.int8]
    centered: NDArray[np.int16]
    sizes: Ints
    here: int
    stride: int
    alphabet: int


def _by(
    mixing: Mixing, around: Codes, codes: NDArray[np.int16], state: CoderState, words: Words, writes: bool
) -> bool:
    return _code_columns(state, words, writes, mixing, _KINDS, around, codes)


@compiled
def _code_columns(
    state: CoderState,
    words: Words,
    is_writing: bool,
    mixing: Mixing,
    kinds: Ints,
    around: Codes,
    codes: NDArray[np.int16],
) -> bool:
    """Write or read codes [steps, lines] where they are kept; False where the content is damaged."""
    lines = np.empty(codes.shape[1], dtype=np.int64)
    for step in range(len(codes)):
        count, here = 0, around.here + step
        for line in range(codes.shape[1]):
            if around.masks[here, line]:
                lines[count] = line
                count += 1
        if not count:
            continue
        at, known = lines[:count], np.empty(count, dtype=np.int64)
        for place in range(count):
            known[place] = codes[step, at[place]]
        contexts = _contexts(
            around.masks, around.centered, around.sizes, here, around.stride, at, around.alphabet
        )
        if not _code_digits(state, words, is_writing, mixing, kinds, contexts, around.alphabet, known):
            return False
        for place in range(count):
            line, value = at[place], 2 * known[place] - (around.alphabet - 1)
            codes[step, line] = known[place]
            around.centered[here, line] = value
            around.sizes[0, line] += abs(value)
            around.sizes[1, line] += 1
    return True


@compiled
def _code_digits(
    state: CoderState,
    words: Words,
    is_writing: bool,
    mixing: Mixing,
    kinds: Ints,
    contexts: Ints,
    alphabet: int,
    codes: Ints,
) -> bool:
    """Write or read codes [n], the highest digit first; what is known of a code is part of each context."""
    digits, each, count = 1, kinds.sum(), len(codes)
    while (alphabet - 1) >> digits:
        digits += 1
    begun, flags = np.zeros(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    asked = np.empty((len(kinds), count), dtype=np.int64)
    for digit in range(digits):
        for place in range(count):
            flags[place] = (codes[place] >> (digits - 1 - digit)) & 1
        for kind in range(len(kinds)):
            for place in range(count):
                asked[kind, place] = kinds[kind] * begun[place] + contexts[kind, place]
        first, end = each * ((1 << digit) - 1), each * ((2 << digit) - 1)
        weights = mixing.weights[digit * (len(kinds) + 1) : (digit + 1) * (len(kinds) + 1)]
        of_digit = Mixing(
            mixing.ones[first:end],
            mixing.seen[first:end],
            mixing.logits[first:end],
            weights,
            mixing.offsets << digit,
            mixing.all_logits,
            mixing.all_shares,
        )
        if not code_mixed(state, words, is_writing, of_digit, SLOWNESS, asked, flags):
            return False
        for place in range(count):
            begun[place] = 2 * begun[place] + flags[place]
    codes[:] = begun
    return True


@compiled
def _contexts(
    masks: NDArray[np.int8],
    centered: NDArray[np.int16],
    sizes: Ints,
    here: int,
    stride: int,
    at: Ints,
    alphabet: int,
) -> Ints:
    """[4, n] for each kept weight: nothing, the mean of the codes around, the two nearest, its line.

    masks, centered [., lines] with margins; here: the row of them that is written; at [n]: which lines.
    """
    top = max(1, alphabet - 1)
    found = np.zeros((4, len(at)), dtype=np.int64)
    for place, line in enumerate(at):
        left, up = int(centered[here - 1, line]), int(centered[here - stride, line])
        up_left = int(centered[here - stride - 1, line])
        up_right = int(centered[here - stride + 1, line])
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
