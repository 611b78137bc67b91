"""All recipes that a search may look at: the knobs of every place, within what a scan has measured."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from compress_core.decide.estimate import Estimator
from compress_core.decide.estimated_size import SizeEstimator
from compress_core.decide.family import Family
from compress_core.decide.knob_positions import Position, curves_by_knob
from compress_core.decide.sensitivity import Curve, Sensitivity
from compress_core.foundation.errors import Refused

if TYPE_CHECKING:
    from optuna.trial import Trial

NOTHING = "nothing"
_SHARE_STEP = 0.01
_DEGREES = 9  # of a knob, where every place is looked at alone


@dataclass(frozen=True)
class Reach:
    """Between which values a knob was measured, the mildest first."""

    family: Family
    mildest: float
    hardest: float

    @property
    def degrees(self) -> tuple[float, ...]:
        """A few values over the whole of it."""
        values = np.linspace(self.mildest, self.hardest, _DEGREES)
        if self.family in {Family.RANK, Family.BITS}:
            values = np.unique(values.round())
            return tuple(float(value) for value in values)
        steps = np.unique(((values - values.min()) / _SHARE_STEP).round())
        return tuple(round(values.min() + _SHARE_STEP * float(step), 6) for step in steps)


@dataclass(frozen=True)
class FreePlace:
    """A layer, which is thinned or factored or neither, and rounded or not; or a group, cut or not."""

    name: str
    knobs: Mapping[Family, Reach]

    def drawn(self, trial: Trial) -> Iterator[Position]:
        """Where a sampler puts its knobs; each knob is always drawn, so that all trials have the same."""
        for family in (Family.STRUCTURE, Family.BITS):
            if family in self.knobs:
                value = self._value(trial, family)
                if trial.suggest_categorical(self._name(f"{family.value} used"), [False, True]):
                    yield Position(self.name, family, value)
        ways = [family for family in (Family.PRUNE, Family.RANK) if family in self.knobs]
        values = {family: self._value(trial, family) for family in ways}
        if ways:
            chosen = trial.suggest_categorical(self._name("way"), [NOTHING, *(way.value for way in ways)])
            if chosen != NOTHING:
                yield Position(self.name, Family(chosen), values[Family(chosen)])

    def _value(self, trial: Trial, family: Family) -> float:
        reach = self.knobs[family]
        low, high = sorted((reach.mildest, reach.hardest))
        name = self._name(family.value)
        if family in {Family.RANK, Family.BITS}:
            return float(trial.suggest_int(name, round(low), round(high)))
        steps = max(0, round((high - low) / _SHARE_STEP))
        return round(low + _SHARE_STEP * trial.suggest_int(name, 0, steps), 6)

    def as_drawn(self, positions: Sequence[Position]) -> dict[str, Any]:
        """What a sampler has to draw to come to these positions; a knob that is not used is left to it."""
        values = {each.family: each.value for each in positions}
        drawn: dict[str, Any] = {}
        for family, value in values.items():
            low = min(self.knobs[family].mildest, self.knobs[family].hardest)
            whole = family in {Family.RANK, Family.BITS}
            drawn[self._name(family.value)] = round(value if whole else (value - low) / _SHARE_STEP)
        for family in (Family.STRUCTURE, Family.BITS):
            if family in self.knobs:
                drawn[self._name(f"{family.value} used")] = family in values
        if not {Family.PRUNE, Family.RANK}.isdisjoint(self.knobs):
            way = next((f.value for f in (Family.PRUNE, Family.RANK) if f in values), NOTHING)
            drawn[self._name("way")] = way
        return drawn

    def choices(self) -> Iterator[tuple[Position, ...]]:
        """Everything that can be done to it, in a few degrees; the first one is nothing."""
        ways: list[Position | None] = [None]
        for family in (Family.PRUNE, Family.RANK, Family.STRUCTURE):
            if family in self.knobs:
                ways += [Position(self.name, family, value) for value in self.knobs[family].degrees]
        bits: list[Position | None] = [None]
        if Family.BITS in self.knobs:
            bits += [Position(self.name, Family.BITS, value) for value in self.knobs[Family.BITS].degrees]
        for chosen in product(ways, bits):
            yield tuple(each for each in chosen if each is not None)

    def _name(self, knob: str) -> str:
        return f"{self.name}: {knob}"


def places_of(sensitivity: Sensitivity, locked: Collection[str]) -> tuple[FreePlace, ...]:
    """Every place that was measured and is not locked; a group stands apart from the layer of its name.

    Raises Refused where there is none.
    """
    knobs: dict[tuple[str, bool], dict[Family, Reach]] = {}
    for (place, family), curve in curves_by_knob(sensitivity).items():
        reach = _reach(curve)
        if place not in locked and reach is not None:
            knobs.setdefault((place, family is Family.STRUCTURE), {})[family] = reach
    if not knobs:
        raise Refused("Every place that was scanned is locked: leave some of them free.")
    return tuple(FreePlace(name, found) for (name, _), found in knobs.items())


def _reach(curve: Curve) -> Reach | None:
    """None for a block, which is dropped or not: that is no knob."""
    values = [point.value for point in curve.points if point.kl.value is not None]
    if curve.family is Family.STRUCTURE and max(values) >= 1:
        return None
    return Reach(curve.family, values[0], values[-1])


def seeds(
    places: Sequence[FreePlace], estimator: Estimator, sizes: SizeEstimator, count: int
) -> tuple[tuple[Position, ...], ...]:
    """Recipes in which every place pays the same price for a byte, from many bytes to few.

    At each price a place takes what costs least in divergence and bytes together; what a solver would find
    for `count` budgets, as far as places are independent of one another.
    """
    tables = [[(at, estimator.divergence(at), sizes.of(at)) for at in place.choices()] for place in places]
    prices = np.geomspace(1e-3, 1e3, 40) / max(sizes.whole, 1.0)
    found = [
        tuple(
            position
            for table in tables
            for position in min(table, key=lambda row: row[1] + price * row[2])[0]
        )
        for price in prices
    ]
    distinct = [recipe for recipe in dict.fromkeys(found) if recipe]
    at = np.unique(np.linspace(0, len(distinct) - 1, min(count, len(distinct))).round().astype(int))
    return tuple(distinct[int(index)] for index in at)
