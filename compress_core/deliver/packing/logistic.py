"""Probabilities of flags from several contexts at once, mixed by weights that are learned on the way.

Logistic mixing as in the PAQ family (Mahoney 2005, "Adaptive weighing of context models"), with two
differences: a whole column of flags is predicted in one go, so that numpy does the work, and everything
is whole numbers, so that every machine predicts the same. The two tables come from `decimal`, whose
results are defined to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Context, Decimal
from functools import cache

import numpy as np
from numpy.typing import NDArray

from compress_core.deliver.packing.coder import Coder, Ints

_STEP = 256  # units of a logit
_LIMIT = 2047  # the largest logit, 8.0: a share of 0.0003
_SHARES = 4096  # cells of the table from shares to logits
_ONE = 65536  # a weight of 1, a share of 1
_SEEN, _MOST = 16, 255 * 16  # what an observation counts; older ones fade beyond 255
_START = 24  # observations that a context starts with, in sixteenths
_WIDEST_WEIGHT = 2**20
_WEIGHT, _SLOWNESS = _ONE * 6 // 10, 20480
_WEIGHTS_OF_FEW, _SLOWNESS_OF_FEW = _ONE * 14 // 10, 10240  # all weights together; learns twice as fast


@cache
def _logits() -> NDArray[np.float64]:
    """The logit of a share, for the middle of each cell; whole numbers."""
    exact = Context(prec=30)
    found = []
    for cell in range(_SHARES):
        odds = exact.divide(Decimal(2 * cell + 1), Decimal(2 * (_SHARES - cell) - 1))
        logit = exact.multiply(exact.ln(odds), Decimal(_STEP))
        found.append(int(logit.to_integral_value(context=exact)))
    return np.array(found, dtype=np.float64)


@cache
def _shares() -> Ints:
    """The share, out of 65536, of each logit from -2047 to 2047."""
    exact = Context(prec=30)
    found = []
    for logit in range(-_LIMIT, _LIMIT + 1):
        against = exact.exp(exact.divide(Decimal(-logit), Decimal(_STEP)))
        share = exact.divide(Decimal(_ONE), exact.add(Decimal(1), against))
        found.append(int(share.to_integral_value(context=exact)))
    return np.array(found, dtype=np.int64)


class Mixer:
    """Predicts flags that share a meaning; it learns from each column before it predicts the next.

    Sums are taken in float64, where these whole numbers are exact: inputs stay below 2**11, weights below
    2**21 and errors below 2**17, so that no sum over fewer than 2**25 flags reaches 2**53.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        share: int | Ints = _SHARES // 2,
        *,
        weight: int = _WEIGHT,
        slowness: int = _SLOWNESS,
    ) -> None:
        """sizes: contexts of each kind; share: of ones, out of 4096, before anything was seen.

        share may differ from context to context [contexts]; weight: of each kind, out of 65536, at first.
        """
        self._offsets = np.concatenate([[0], np.cumsum(sizes)])[:-1, None]
        self._ones = np.maximum(1, np.full(sum(sizes), _START, dtype=np.int64) * share // _SHARES)
        self._seen = np.maximum(self._ones + 1, _START)
        self._logits = _logits()[_cells(self._ones, self._seen)]
        self._weights = np.full(len(sizes) + 1, weight, dtype=np.int64)
        self._weights[-1] = 0
        self._slowness = slowness

    def code(self, coder: Coder, contexts: Ints, truth: Ints | None) -> Ints:
        """Write or read flags [n]; contexts [kinds, n]: for each kind, which one every flag stands in.

        No flags cost nothing, neither bits nor time: nothing is learned from them.
        """
        if not contexts.shape[1]:
            return np.zeros(0, dtype=np.int64)
        places = contexts + self._offsets
        inputs = np.empty((len(places) + 1, places.shape[1]))
        inputs[-1] = _STEP
        self._logits.take(places, out=inputs[:-1], mode="clip")
        mixed = (self._weights.astype(np.float64) @ inputs).astype(np.int64) >> 16
        share = _shares()[np.minimum(np.maximum(mixed, -_LIMIT), _LIMIT) + _LIMIT]
        flags = coder.flags(share, truth)
        self._learn(inputs, (flags << 16) - share)
        self._count(places, flags)
        return flags

    def _learn(self, inputs: NDArray[np.float64], errors: Ints) -> None:
        """One step down the coding cost, shorter for each flag the more flags there are."""
        slope = (inputs @ errors.astype(np.float64)).astype(np.int64)
        step = slope // (self._slowness * math.isqrt(16 + len(errors)))
        self._weights = np.minimum(np.maximum(self._weights + step, -_WIDEST_WEIGHT), _WIDEST_WEIGHT)

    def _count(self, places: Ints, flags: Ints) -> None:
        """Note what was seen, by whichever way is shorter: place by place, or every place at once."""
        flat, ones = places.reshape(-1), places.compress(flags, axis=1).reshape(-1)
        if len(flat) < 2 * len(self._seen):
            self._count_each(flat, ones)
            return
        times = np.bincount(flat, minlength=len(self._seen))
        self._seen += times * _SEEN
        self._ones += np.bincount(ones, minlength=len(self._seen)) * _SEEN
        self._halve(np.flatnonzero((self._seen > _MOST) & (times > 0)))
        _logits().take(_cells(self._ones, self._seen), out=self._logits)

    def _count_each(self, flat: Ints, ones: Ints) -> None:
        """Note places [m] that were seen, and those [k] of them that held a 1."""
        np.add.at(self._seen, flat, _SEEN)
        if len(ones):
            np.add.at(self._ones, ones, _SEEN)
        seen = self._seen.take(flat)
        if seen.max() > _MOST:
            self._halve(flat[seen > _MOST])  # one that occurs twice is still halved once
            seen = self._seen.take(flat)
        self._logits[flat] = _logits().take(_cells(self._ones.take(flat), seen))

    def _halve(self, full: Ints) -> None:
        self._seen[full] = (self._seen[full] + 1) >> 1
        self._ones[full] = self._ones[full] >> 1


def mixer_of_few(sizes: Sequence[int], share: int | Ints = _SHARES // 2) -> Mixer:
    """A mixer for flags so few that it must believe them sooner; sizes and share [contexts] as of a Mixer."""
    weight = min(_ONE, _WEIGHTS_OF_FEW // len(sizes))
    return Mixer(sizes, share, weight=weight, slowness=_SLOWNESS_OF_FEW)


def _cells(ones: Ints, seen: Ints) -> Ints:
    """The cells of the table that shares of ones [n] fall into.

    A quotient of whole numbers below 2**50 is rounded down alike in float64, where it takes a fifth.
    """
    return np.minimum((ones * _SHARES / seen).astype(np.int64), _SHARES - 1)
