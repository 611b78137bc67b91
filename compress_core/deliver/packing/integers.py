"""Whole numbers in flags that learn: zero or not, which sign, how many binary digits, and those digits."""

from __future__ import annotations

import numpy as np

from compress_core.deliver.packing.coder import Coder, Damaged, Ints
from compress_core.deliver.packing.logistic import Mixer, mixer_of_few

MOST_DIGITS = 40
_KNOWN = 32  # of the digits of a number these beginnings are told apart
NODES = MOST_DIGITS + (MOST_DIGITS + 1) * _KNOWN  # questions that are asked of a size
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
        sizes = code_sizes(coder, self._sizes, alike, None if beside is None else np.abs(beside))
        found[at] = np.where(negative > 0, -sizes, sizes)
        return found


def code_sizes(coder: Coder, mixer: Mixer, contexts: Ints, truth: Ints | None) -> Ints:
    """Write or read sizes [n] from 1; contexts [kinds, n]: each stands for NODES contexts of the mixer."""
    count = contexts.shape[1]
    digits, exponents = np.zeros(count, dtype=np.int64), None if truth is None else exponents_of(truth)
    alive = np.arange(count)
    for digit in range(MOST_DIGITS):
        known = None if exponents is None else (exponents[alive] > digit).astype(np.int64)
        more = mixer.code(coder, NODES * contexts[:, alive] + digit, known)
        alive = alive[more > 0]
        if not len(alive):
            break
        digits[alive] += 1
    else:
        raise Damaged
    return _with_digits(coder, mixer, contexts, digits, truth)


def _with_digits(coder: Coder, mixer: Mixer, contexts: Ints, digits: Ints, truth: Ints | None) -> Ints:
    """Sizes [n] of so many binary digits below the highest, those from the highest to the lowest."""
    sizes = np.ones_like(digits)
    for place in range(int(digits.max(initial=0))):
        at = np.flatnonzero(digits > place)
        begun = sizes[at]
        nodes = MOST_DIGITS + digits[at] * _KNOWN + np.where(begun < _KNOWN, begun, 0)
        known = None if truth is None else (truth[at] >> (digits[at] - 1 - place)) & 1
        sizes[at] = 2 * begun + mixer.code(coder, NODES * contexts[:, at] + nodes, known)
    return sizes


def exponents_of(sizes: Ints) -> Ints:
    """How many binary digits each size [n] from 1 has below its highest; sizes stay below 2**53."""
    return np.frexp(sizes.astype(np.float64))[1].astype(np.int64) - 1
