"""Probabilities of flags from several contexts at once, mixed by weights that are learned on the way.

Everything is whole numbers, so that every machine predicts the same. The two tables come from `decimal`,
whose results are defined to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from functools import cache, lru_cache

import numpy as np

from compress_core.deliver.packing.coder import Coder, Ints
from compress_core.deliver.packing.range_coding import LIMIT, SHARES, STEP_OF_LOGIT, Mixing

_ONE = 65536  # a weight of 1, a share of 1
_START = 24  # observations that a context starts with, in sixteenths
_WEIGHT, SLOWNESS = _ONE * 6 // 10, 20480
_WEIGHTS_OF_FEW, _SLOWNESS_OF_FEW = _ONE * 14 // 10, 10240  # all weights together; learns twice as fast


@cache
def _logits() -> Ints:
    """The logit of a share, for the middle of each cell; whole numbers."""
    exact = Context(prec=30)
    found = []
    for cell in range(SHARES):
        odds = exact.divide(Decimal(2 * cell + 1), Decimal(2 * (SHARES - cell) - 1))
        logit = exact.multiply(exact.ln(odds), Decimal(STEP_OF_LOGIT))
        found.append(int(logit.to_integral_value(context=exact)))
    return np.array(found, dtype=np.int64)


@cache
def _shares() -> Ints:
    """The share, out of 65536, of each logit from -2047 to 2047."""
    exact = Context(prec=30)
    found = []
    for logit in range(-LIMIT, LIMIT + 1):
        against = exact.exp(exact.divide(Decimal(-logit), Decimal(STEP_OF_LOGIT)))
        share = exact.divide(Decimal(_ONE), exact.add(Decimal(1), against))
        found.append(int(share.to_integral_value(context=exact)))
    return np.array(found, dtype=np.int64)


def _start(shares: Ints) -> Ints:
    """What contexts begin with that expect these shares of ones [n]: [3, n] ones, those seen, logits."""
    ones = np.maximum(1, _START * shares // SHARES)
    seen = np.maximum(ones + 1, _START)
    return np.stack([ones, seen, _logits()[np.minimum(ones * SHARES // seen, SHARES - 1)]])


@lru_cache(maxsize=64)
def _start_alike(count: int, share: int) -> Ints:
    return _start(np.full(count, share, dtype=np.int64))


class Mixer:
    """Predicts flags that share a meaning; it learns from each column before it predicts the next."""

    def __init__(
        self,
        sizes: Sequence[int],
        share: int | Ints = SHARES // 2,
        *,
        weight: int = _WEIGHT,
        slowness: int = SLOWNESS,
    ) -> None:
        """sizes: contexts of each kind; share: of ones, out of 4096, before anything was seen.

        share may differ from context to context [contexts]; weight: of each kind, out of 65536, at first.
        """
        ones, seen, logits = (
            _start_alike(sum(sizes), share).copy() if isinstance(share, int) else _start(share)
        )
        weights = np.full(len(sizes) + 1, weight, dtype=np.int64)
        weights[-1] = 0
        self.mixing = Mixing(ones, seen, logits, weights, _offsets(tuple(sizes)), _logits(), _shares())
        self._slowness = slowness

    def code(self, coder: Coder, contexts: Ints, truth: Ints | None) -> Ints:
        """Write or read flags [n]; contexts [kinds, n]: for each kind, which one every flag stands in.

        No flags cost nothing, neither bits nor time: nothing is learned from them.
        """
        if not contexts.shape[1]:
            return np.zeros(0, dtype=np.int64)
        return coder.mixed(self.mixing, self._slowness, contexts, truth)

    def code_sizes(self, coder: Coder, contexts: Ints, truth: Ints | None) -> Ints:
        """Write or read sizes [n] from 1 to 2**40; contexts [kinds, n]: of NODES each."""
        if not contexts.shape[1]:
            return np.zeros(0, dtype=np.int64)
        return coder.sizes(self.mixing, self._slowness, contexts, truth)[0]


def digit_mixing(sizes: Sequence[int], digits: int) -> Mixing:
    """What is known of the contexts of each of so many binary digits, those of the highest digit first.

    sizes: contexts of each kind for the highest digit; every later one has twice as many. The weights of all
    digits stand in a row as well.
    """
    ones, seen, logits = _start_alike(sum(sizes) * (2**digits - 1), SHARES // 2).copy()
    weights = np.full((digits, len(sizes) + 1), _WEIGHT, dtype=np.int64)
    weights[:, -1] = 0
    return Mixing(ones, seen, logits, weights.reshape(-1), _offsets(tuple(sizes)), _logits(), _shares())


@lru_cache(maxsize=64)
def _offsets(sizes: tuple[int, ...]) -> Ints:
    """Where the contexts of each kind begin [kinds]."""
    return np.concatenate([[0], np.cumsum(sizes)])[:-1]


def mixer_of_few(sizes: Sequence[int], share: int | Ints = SHARES // 2) -> Mixer:
    """A mixer for flags so few that it must believe them sooner; sizes and share [contexts] as of a Mixer."""
    weight = min(_ONE, _WEIGHTS_OF_FEW // len(sizes))
    return Mixer(sizes, share, weight=weight, slowness=_SLOWNESS_OF_FEW)
