"""Whole numbers in flags that learn: zero or not, which sign, how many binary digits, and those digits."""

from __future__ import annotations

import numpy as np

from compress_core.deliver.packing.coder import Coder, Ints
from compress_core.deliver.packing.logistic import mixer_of_few
from compress_core.deliver.packing.range_coding import MOST_DIGITS, NODES

__all__ = ["MOST_DIGITS", "Integers"]

_FIRST, _LONGEST = 4, 256


class Integers:
    """Learns one sort of whole numbers [n], of either sign; contexts tell which zeros are more likely."""

    def __init__(self, contexts: int = 1) -> None:
        self._zero = mixer_of_few([contexts])
        self._negative = mixer_of_few([1])
        self._sizes = mixer_of_few([NODES])

    def code(self, coder: Coder, count: int, truth: Ints | None, contexts: Ints | None = None) -> Ints:
        """Write or read numbers [count] below 2**40; they are learned from in pieces that grow longer."""
        found = np.zeros(count, dtype=np.int64)
        which = np.zeros(count, dtype=np.int64) if contexts is None else contexts
        done, length = 0, _FIRST
        while done < count:
            piece = slice(done, min(count, done + length))
            found[piece] = self._piece(coder, which[piece], None if truth is None else truth[piece])
            done, length = done + length, min(_LONGEST, 2 * length)
        return found

    def _piece(self, coder: Coder, which: Ints, truth: Ints | None) -> Ints:
        known = None if truth is None else (truth != 0).astype(np.int64)
        found = self._zero.code(coder, which[None], known)
        at = np.flatnonzero(found)
        alike = np.zeros((1, len(at)), dtype=np.int64)
        beside = None if truth is None else truth[at]
        negative = self._negative.code(
            coder, alike, None if beside is None else (beside < 0).astype(np.int64)
        )
        sizes = self._sizes.code_sizes(coder, alike, None if beside is None else np.abs(beside))
        found[at] = np.where(negative > 0, -sizes, sizes)
        return found
