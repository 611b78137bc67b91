"""How sure a count of items makes us: intervals and tests that stay honest near 0 and 1.

Everything takes numbers or arrays that broadcast, so that a table of classes is one call.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from compress_core.numerics.arrays import Floats

HALVINGS = 40  # within 1e-12 of the first bracket


class Interval(NamedTuple):
    """Where the true value plausibly lies."""

    low: Floats
    high: Floats

    def times(self, factor: float) -> Interval:
        """The same interval in another unit."""
        return Interval(self.low * factor, self.high * factor)


def two_sided(level: float) -> float:
    """The normal quantile z such that a normal value is within -z and z with probability level."""
    assert 0 < level < 1, "a confidence level lies between 0 and 1"
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> Interval:
    """Interval of a share, from how many of n items have it; [0, 1] when there are no items.

    Wilson 1927, Journal of the American Statistical Association 22, 209-212.
    """
    z = two_sided(level)
    k, items = _floats(successes), _floats(n)
    assert np.all((k >= 0) & (k <= items)), "successes are a part of the items"
    spread = np.divide(k * (items - k), items, out=np.zeros(np.broadcast(k, items).shape), where=items > 0)
    half = z * np.sqrt(spread + z**2 / 4)
    low, high = ((k + z**2 / 2 + side * half) / (items + z**2) for side in (-1, 1))
    return Interval(np.where(k == 0, 0.0, low), np.where(k == items, 1.0, high))


def tango(gained: ArrayLike, lost: ArrayLike, n: ArrayLike, level: float = 0.95) -> Interval:
    """Interval of a change in share between two models on the same n items.

    gained items have it only after, lost items only before; the change is (gained - lost) / n.
    With no item changed it is -z^2 / (n + z^2) to z^2 / (n + z^2), never [0, 0].

    Tango 1998, Statistics in Medicine 17, 891-908, equations 24 to 26.
    """
    z = two_sided(level)
    b, c, items = np.broadcast_arrays(_floats(gained), _floats(lost), _floats(n))
    assert np.all((b >= 0) & (c >= 0) & (b + c <= items) & (items > 0)), (
        "changed items are a part of the items"
    )
    # The lower bound is minus the upper bound with the two models swapped: one search finds both.
    upper = _upper_bound(np.stack([b, c]), np.stack([c, b]), np.stack([items, items]), z)
    return Interval(-upper[1], upper[0])


def _upper_bound(gained: Floats, lost: Floats, n: Floats, z: float) -> Floats:
    low = (gained - lost) / n
    high = np.minimum(low + z / np.sqrt(n), 1.0)  # since the variance of one item is at most 1
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        outside = (gained - lost - n * middle) ** 2 > z**2 * score_variance(gained, lost, n, middle)
        low, high = np.where(outside, low, middle), np.where(outside, middle, high)
    return (low + high) / 2


def score_variance(gained: ArrayLike, lost: ArrayLike, n: ArrayLike, change: ArrayLike) -> Floats:
    """Variance of gained - lost, were the true change of the share the given one.

    -> [n] or a scalar, as broadcasting of the arguments gives.

    The share of lost items is its maximum likelihood estimate under that change.

    Tango 1998, Statistics in Medicine 17, 891-908, equations 24 to 26.
    """
    b, c, items, delta = (_floats(values) for values in (gained, lost, n, change))
    linear = (2 * items - b + c) * delta - b - c
    constant = -c * delta * (1 - delta)
    root = np.sqrt(np.maximum(linear**2 - 8 * items * constant, 0.0))
    estimate = (root - linear) / (4 * items)
    variance: Floats = items * np.maximum(2 * estimate + delta * (1 - delta), 0.0)
    return variance


def lost_share(change: float, bound: float, n: int, level: float = 0.95) -> float:
    """The share of lost items behind a change, read off one end of its interval by `tango`.

    change and bound are shares of the n items. The bound solves the score equation, which is linear
    in the share lost.
    """
    distance = change - bound
    variance = n * distance**2 / two_sided(level) ** 2
    estimate = (variance - bound * (1 - bound)) / 2
    return max(0.0, -change, estimate * (1 - distance * (1 + bound) / variance))


def mcnemar_exact(gained: ArrayLike, lost: ArrayLike) -> Floats:
    """Two-sided p-value of "items are gained as often as lost"; 1 when no item changed.

    -> [n] or a scalar, as broadcasting of the arguments gives.

    McNemar 1947, Psychometrika 12, 153-157, with binomial probabilities.
    """
    b, c = _floats(gained), _floats(lost)
    p: Floats = np.minimum(1.0, 2 * bdtr(np.minimum(b, c), (b + c).astype(np.int64), 0.5))
    return p


def holm(p_values: ArrayLike) -> Floats:
    """P-values adjusted for having looked at all of them, in the order given.

    p_values [m] -> [m]; those at most 0.05 are together wrong with probability at most 0.05.

    Holm 1979, Scandinavian Journal of Statistics 6, 65-70.
    """
    p = _floats(p_values)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((p.size - np.arange(p.size)) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def of_mean(values: Floats, level: float = 0.95) -> Interval | None:
    """Normal interval of the mean of values [N]; None when their spread is not seen.

    One item, or items that all have the same value, say nothing about the spread.
    """
    if values.size < 2 or np.ptp(values) == 0:
        return None
    mean = values.mean()
    half = two_sided(level) * values.std(ddof=1) / np.sqrt(values.size)
    return Interval(mean - half, mean + half)


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)
