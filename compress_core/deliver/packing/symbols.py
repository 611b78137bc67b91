"""Symbols of a small alphabet without context: their frequencies are counted while they pass.

Both sides count alike, so that no table is stored. Frequencies change after 32, 64, 128... symbols.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.deliver.packing.coder import TOTAL, Coder, Ints

_FIRST, _LONGEST = 32, 2**15
_ONE = 16  # what an occurrence counts, where every symbol starts with 1
_LARGEST_TOTAL = 2**24
_RESERVED = 2**13  # of the frequencies, shared by all: even the surest symbol costs something


def code_symbols(
    coder: Coder, alphabet: int, count: int, truth: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.unsignedinteger[Any]]:
    """Write or read symbols [count] below `alphabet`, which is at least 2, in a byte each where they fit."""
    kind: type[np.unsignedinteger[Any]] = np.uint8 if alphabet <= 256 else np.uint16
    counts = np.ones(alphabet, dtype=np.int64)
    pieces = []
    done, length = 0, _FIRST
    while done < count:
        size = min(length, count - done)
        known = None if truth is None else truth[done : done + size].astype(np.int64)
        piece = coder.symbols(frequencies(counts), size, known)
        counts += _ONE * np.bincount(piece, minlength=alphabet)
        if counts.sum() > _LARGEST_TOTAL:
            counts = (counts + 1) >> 1
        pieces.append(piece.astype(kind))
        done, length = done + size, min(_LONGEST, 2 * length)
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=kind)


def frequencies(counts: Ints) -> Ints:
    """Frequencies [alphabet] in proportion to the counts, each at least 1, together 2**24."""
    least = 1 + _RESERVED // len(counts)
    shares: Ints = least + counts * (TOTAL - least * len(counts)) // int(counts.sum())
    shares[int(counts.argmax())] += TOTAL - int(shares.sum())
    return shares
