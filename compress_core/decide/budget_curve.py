"""Every budget solved at once: which option each place takes, whatever the budget is.

A dynamic programme over the places: the least divergence for each cost up to the whole. Costs are counted
in buckets, rounded up, so no budget is ever exceeded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress_core.decide.options import Option, PlaceOptions, Resource
from compress_core.foundation.knobs import FINEST
from compress_core.numerics.arrays import Floats

BUCKETS = 2**15


@dataclass(frozen=True)
class Choice:
    """One option for each place, in the order of the places.

    cost: in the resource of the curve, what is fixed included; kl: the sum over the places, in nats; both
    estimated.
    """

    options: tuple[Option, ...]
    cost: float
    kl: float


@dataclass(frozen=True, eq=False)
class BudgetCurve:
    """The answer to every budget of one resource.

    fixed: what everything beside the places takes. least [buckets + 1]: the divergence at a bucket;
    taken [places, buckets + 1]: which option it is. An answer never costs more than the budget, and no
    other choice within (budget - `slack`) has a smaller sum.
    """

    places: tuple[PlaceOptions, ...]
    resource: Resource
    fixed: float
    width: float
    least: Floats
    taken: NDArray[np.int16]

    @property
    def smallest(self) -> float:
        """The cost with the smallest option of every place."""
        return self.fixed + sum(place.least(self.resource) for place in self.places)

    @property
    def largest(self) -> float:
        """The cost with the largest option of every place."""
        return self.fixed + sum(place.most(self.resource) for place in self.places)

    @property
    def slack(self) -> float:
        """How much of a budget rounding to buckets may leave unused."""
        return self.width * (len(self.places) + 1)

    def at(self, budget: float) -> Choice | None:
        """The best choice within a budget; None where even the smallest options are beyond it."""
        if budget < self.smallest:
            return None
        bucket = min(int((budget - self.smallest) // self.width), len(self.least) - 1)
        chosen: list[Option] = []
        for place, taken in zip(reversed(self.places), self.taken[::-1], strict=True):
            option = place.options[taken[bucket]]
            bucket -= _buckets(option, place, self.resource, self.width)
            chosen.append(option)
        return self._filled(chosen[::-1], budget)

    def _filled(self, chosen: list[Option], budget: float) -> Choice:
        """Spend what rounding left over on what lowers the divergence most."""
        left = budget - self._cost(chosen)
        while True:
            gains = [
                (chosen[index].kl - option.kl, index, option)
                for index, place in enumerate(self.places)
                for option in place.options
                if option.kl < chosen[index].kl
                and option.cost.of(self.resource) - chosen[index].cost.of(self.resource) <= left
            ]
            if not gains:
                return Choice(tuple(chosen), self._cost(chosen), sum(option.kl for option in chosen))
            _, index, option = max(gains, key=lambda gain: gain[:2])
            left -= option.cost.of(self.resource) - chosen[index].cost.of(self.resource)
            chosen[index] = option

    def _cost(self, chosen: Sequence[Option]) -> float:
        return self.fixed + sum(option.cost.of(self.resource) for option in chosen)

    def drawn(self, points: int = 200) -> tuple[Floats, Floats]:
        """(budgets [n], divergence [n]) of so many budgets, closer together where they are small."""
        last = len(self.least) - 1
        at = np.unique(np.concatenate([[0], np.geomspace(1, last, points).astype(np.int64)]))
        return self.smallest + at * self.width, self.least[at]


def budget_curve(
    places: Sequence[PlaceOptions], resource: Resource, fixed: float, buckets: int = BUCKETS
) -> BudgetCurve:
    """Solve all budgets: time grows with options x buckets."""
    spread = sum(place.most(resource) - place.least(resource) for place in places)
    width = max(spread / buckets, FINEST)
    least = np.zeros(buckets + 1 + len(places))  # each place may round up by one bucket
    taken = np.zeros((len(places), len(least)), dtype=np.int16)
    for row, place in zip(taken, places, strict=True):
        least = _with_place(place, resource, width, least, row)
    return BudgetCurve(tuple(places), resource, fixed, width, least, taken)


def _with_place(
    place: PlaceOptions, resource: Resource, width: float, before: Floats, taken: NDArray[np.int16]
) -> Floats:
    """The least divergence of the places so far and this one, for every bucket; writes what it takes."""
    best = np.full(len(before), np.inf)
    for index, option in enumerate(place.options):
        shift = _buckets(option, place, resource, width)
        tried = before[: len(before) - shift] + option.kl
        better = tried < best[shift:]
        best[shift:][better] = tried[better]
        taken[shift:][better] = index
    return best


def _buckets(option: Option, place: PlaceOptions, resource: Resource, width: float) -> int:
    """How many buckets an option takes beyond the smallest of its place, rounded up."""
    beyond = option.cost.of(resource) - place.least(resource)
    return int(np.ceil(beyond / width))
