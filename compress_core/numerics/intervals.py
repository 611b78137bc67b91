"""How sure a count of items makes us: intervals and tests that stay honest near 0 and 1.

Everything takes numbers or arrays that broadcast, so that a table of classes is one call.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, betaincinv, gammaincinv

from compress_core.numerics.arrays import Floats

HALVINGS = 40  # within 1e-12 of the first bracket
_RARE = 3  # items up to which a share's interval needs the Poisson bound
_HARDLY_ANY = 10  # items up to which a change's interval needs the binomial bound


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

    Where three items or fewer have it, or lack it, its end near 0 or 1 is widened to the Poisson bound:
    Wilson's own misses a share of 0.17 / n once in six times.

    Wilson 1927, Journal of the American Statistical Association 22, 209-212; Brown, Cai and DasGupta 2001,
    Statistical Science 16, 101-133, section 4.1.1.
    """
    z = two_sided(level)
    k, items = _floats(successes), _floats(n)
    assert np.all((k >= 0) & (k <= items)), "successes are a part of the items"
    spread = np.divide(k * (items - k), items, out=np.zeros(np.broadcast(k, items).shape), where=items > 0)
    half = z * np.sqrt(spread + z**2 / 4)
    low, high = ((k + z**2 / 2 + side * half) / (items + z**2) for side in (-1, 1))
    low = np.minimum(low, _rare_share(k, items, level))
    high = np.maximum(high, 1 - _rare_share(items - k, items, level))
    return Interval(np.where(k == 0, 0.0, low), np.where(k == items, 1.0, high))


def _rare_share(count: Floats, items: Floats, level: float) -> Floats:
    """The least share of which as many of the items are plausible; 1 where they are not few."""
    few = (count > 0) & (count <= _RARE)
    least = gammaincinv(np.where(few, count, 1.0), 1 - level)
    return np.where(few, least / np.maximum(items, 1.0), 1.0)


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


def tango_of_each(gained: ArrayLike, lost: ArrayLike, n: ArrayLike, level: float = 0.95) -> Interval:
    """Intervals of several changes [m] that all hold together with probability level.

    Tango's at the level 1 - (1 - level) / m. Where all but ten items were lost, or gained, they reach to the
    binomial bound, since a score interval is too sure there.

    Bonferroni; Tango 1998; Clopper and Pearson 1934, Biometrika 26, 404-413.
    """
    b, c, items = np.broadcast_arrays(_floats(gained), _floats(lost), _floats(n))
    each = 1 - (1 - level) / max(1, b.size)
    low, high = tango(b, c, items, each)
    return Interval(
        np.where(items - c > _HARDLY_ANY, low, np.minimum(low, -_most(c, items, each))),
        np.where(items - b > _HARDLY_ANY, high, np.maximum(high, _most(b, items, each))),
    )


def _most(count: Floats, items: Floats, level: float) -> Floats:
    """The largest plausible share, from how many of the items have it."""
    rest = np.maximum(items - count, 1.0)
    share: Floats = betaincinv(np.minimum(count, items - 1) + 1, rest, 0.5 + level / 2)
    return np.where(count == items, 1.0, share)


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


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)
