"""The options of a place from its curves: each degree alone, finer ones between, and two kinds together.

What lies between two measured degrees, and what joins sparsity or rank with bits, is estimated: the
divergences of the parts are added, that of the bits times what it is worth beside the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from types import MappingProxyType

import numpy as np
from scipy.optimize import isotonic_regression

from compress_core.decide.family import Family
from compress_core.decide.joint_excess import JointExcess
from compress_core.decide.sensitivity import Curve, ScanPoint
from compress_core.recipe.values import Step

BETWEEN = 2  # degrees that are put between two measured ones
_FLOOR = 1e-7  # nats; below it nothing can be told apart
_KNOBS = {
    Family.PRUNE: "sparsity",
    Family.STRUCTURE: "share_removed",
    Family.RANK: "rank",
    Family.BITS: "bits",
}


@dataclass(frozen=True)
class Degree:
    """Steps on one place and how far the answers move by them alone, in nats, estimated.

    value: the share, rank or bits of a single step.
    """

    steps: tuple[Step, ...]
    kl: float
    value: float = 0.0


UNTOUCHED = Degree((), 0.0)


def degrees(
    curves: Iterable[Curve], excess: Mapping[Family, JointExcess] = MappingProxyType({})
) -> tuple[Degree, ...]:
    """All that can be done to one layer, itself as it is first.

    A factored layer is rounded, and a pruned one too; rank and sparsity are not joined.
    """
    found = {curve.family: finer(curve) for curve in curves}
    bits = found.get(Family.BITS, ())
    beside = [
        joined(one, rounded, excess.get(family))
        for family in (Family.PRUNE, Family.RANK)
        for one in found.get(family, ())
        for rounded in bits
    ]
    return (UNTOUCHED, *found.get(Family.PRUNE, ()), *found.get(Family.RANK, ()), *bits, *beside)


def joined(one: Degree, bits: Degree, excess: JointExcess | None) -> Degree:
    """Both on one place."""
    ratio = 1.0 if excess is None else excess.at(one.value, bits.value)
    return Degree((*one.steps, *bits.steps), one.kl + ratio * bits.kl)


def finer(curve: Curve, between: int = BETWEEN) -> tuple[Degree, ...]:
    """The measured degrees of a curve and some between them, from the mildest to the hardest.

    Divergence never falls on the way (isotonic regression), and lies on a line of its logarithm between two
    measured degrees. What was refused has no degree.
    """
    known = [point for point in curve.points if point.kl.value is not None]
    if not known:
        return ()
    levels = isotonic_regression([point.kl.value for point in known]).x
    measured = [(point.value, max(float(level), _FLOOR)) for point, level in zip(known, levels, strict=True)]
    places = measured[:1]
    for (low, least), (high, most) in pairwise(measured):
        inside = [(value, share) for value, share in _between(curve.family, low, high, between)]
        places += [
            (value, min(most, exp((1 - share) * log(least) + share * log(most)))) for value, share in inside
        ]
        places.append((high, most))
    return tuple(Degree((_at(known[0], value),), level, float(value)) for value, level in places)


def _between(family: Family, low: float, high: float, count: int) -> list[tuple[float, float]]:
    """(value, how far it is on the way) of degrees between two, in even steps of what is left."""
    if family is Family.BITS:
        return [(bits, (low - bits) / (low - high)) for bits in np.arange(low - 1, high, -1)]
    shares = [(index + 1) / (count + 1) for index in range(count)]
    if family is Family.RANK:
        ranks = {round(low ** (1 - share) * high**share): share for share in shares}
        return [(rank, share) for rank, share in ranks.items() if high < rank < low]
    if high >= 1:
        return [(low + share * (high - low), share) for share in shares]
    return [(1 - (1 - low) ** (1 - share) * (1 - high) ** share, share) for share in shares]


def _at(point: ScanPoint, value: float) -> Step:
    """The step of a measured degree at another one; a coupled group's selection has other knobs."""
    (step,) = point.steps
    knobs = {**step.changed, _KNOBS[point.family]: _whole(point.family, value)}
    return (Step.of_group if point.family is Family.STRUCTURE else Step.of)(step.technique, **knobs)


def _whole(family: Family, value: float) -> float:
    return int(value) if family in {Family.RANK, Family.BITS} else round(value, 4)


def by_place(curves: Sequence[Curve], *, groups: bool) -> dict[str, list[Curve]]:
    """The curves of each layer, or of each coupled group, in the order in which they come."""
    found: dict[str, list[Curve]] = {}
    for curve in curves:
        if (curve.family is Family.STRUCTURE) == groups:
            found.setdefault(curve.place, []).append(curve)
    return found
