"""Several limits at once, and coupled groups whose costs multiply: an integer program with a time limit.

What a layer takes is its own cost times the shares that the groups on both of its sides leave. Such a
product becomes linear with a variable for each combination of the options that meet in a layer. The rank of
a layer is never lowered where its channels go: what that takes is no such product.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from compress_core.decide.options import Option, PlaceOptions, Resource
from compress_core.numerics.arrays import Bools, Floats
from compress_core.techniques.contract.technique import Stage

SECONDS = 10.0
MOST_COMBINED = 600  # variables of one layer; of a layer with more options only some are tried


@dataclass(frozen=True)
class Solved:
    """One option for each place; gap: by which share of the divergence another could still be better."""

    options: tuple[Option, ...]
    kl: float
    cost: Mapping[Resource, float]
    gap: float


def integer_program(
    places: Sequence[PlaceOptions],
    limits: Mapping[Resource, float],
    fixed: Mapping[Resource, float],
    seconds: float = SECONDS,
) -> Solved | None:
    """The least divergence within all limits; None where the limits leave nothing, or time nothing found."""
    program = _Program(places)
    costs = {resource: program.costs(resource) for resource in limits}
    bounds = [
        LinearConstraint(row[None, :], -np.inf, limits[resource] - fixed[resource])
        for resource, row in costs.items()
    ]
    found = milp(
        program.divergence,
        integrality=np.ones(len(program.variables)),
        bounds=Bounds(0, 1),
        constraints=[*program.links(), *bounds],
        options={"time_limit": seconds, "mip_rel_gap": 1e-4},
    )
    if found.x is None:
        return None
    taken = found.x > 0.5
    options = program.chosen(taken)
    cost = {resource: fixed[resource] + float(row[taken].sum()) for resource, row in costs.items()}
    gap = 0.0 if found.mip_gap is None else float(found.mip_gap)
    return Solved(options, sum(option.kl for option in options), cost, gap)


@dataclass(frozen=True)
class _Variable:
    """A place takes this option while the groups that meet in it take these: numbers of both."""

    place: int
    option: int
    meeting: tuple[tuple[int, int], ...] = ()


class _Program:
    """The variables of all places, and what must hold between them."""

    def __init__(self, places: Sequence[PlaceOptions]) -> None:
        self.places = places
        groups = [index for index, place in enumerate(places) if place.is_group]
        self.touching = {
            index: [group for group in groups if _touches(places[group], place.place)]
            for index, place in enumerate(places)
            if not place.is_group
        }
        self.variables = [variable for index in range(len(places)) for variable in self._of(index)]
        self.divergence = np.array([places[v.place].options[v.option].kl for v in self.variables])

    def _of(self, index: int) -> Iterator[_Variable]:
        place = self.places[index]
        met = self.touching.get(index, [])
        ways = list(itertools.product(*([(g, a) for a in range(len(self.places[g].options))] for g in met)))
        for option in _some(len(place.options), max(2, MOST_COMBINED // len(ways))):
            lower_rank = any(step.stage is Stage.FACTOR for step in place.options[option].steps)
            for meeting in ways:
                if not (lower_rank and any(self._shares(pair, place) < 1 for pair in meeting)):
                    yield _Variable(index, option, meeting)

    def _shares(self, pair: tuple[int, int], layer: PlaceOptions) -> float:
        """Which share of a layer's weights an option of a group leaves."""
        group, option = pair
        return dict(self.places[group].options[option].shares).get(layer.place, 1.0)

    def costs(self, resource: Resource) -> Floats:
        """What each variable takes of a resource [variables]."""
        return np.array([self._cost(variable, resource) for variable in self.variables])

    def _cost(self, variable: _Variable, resource: Resource) -> float:
        place = self.places[variable.place]
        left = math.prod(self._shares(pair, place) for pair in variable.meeting)
        return place.options[variable.option].cost.of(resource) * left

    def links(self) -> list[LinearConstraint]:
        """Each place takes one option, and a layer sees the option that its group took."""
        rows: list[dict[int, float]] = []
        wanted: list[float] = []
        own: dict[tuple[int, int], int] = {}
        for number, variable in enumerate(self.variables):
            if self.places[variable.place].is_group:
                own[variable.place, variable.option] = number
        for index in range(len(self.places)):
            rows.append({n: 1.0 for n, v in enumerate(self.variables) if v.place == index})
            wanted.append(1.0)
        for index, met in self.touching.items():
            mine = [(n, v) for n, v in enumerate(self.variables) if v.place == index]
            for pair in ((g, a) for g in met for a in range(len(self.places[g].options))):
                rows.append({n: 1.0 for n, v in mine if pair in v.meeting} | {own[pair]: -1.0})
                wanted.append(0.0)
        return [LinearConstraint(_matrix(rows, len(self.variables)), wanted, wanted)]

    def chosen(self, taken: Bools) -> tuple[Option, ...]:
        """The option of each place."""
        found = {v.place: v.option for v, is_taken in zip(self.variables, taken, strict=True) if is_taken}
        return tuple(place.options[found[index]] for index, place in enumerate(self.places))


def _touches(group: PlaceOptions, layer: str) -> bool:
    return any(name == layer for option in group.options for name, _ in option.shares)


def _some(count: int, most: int) -> list[int]:
    """Numbers of so many options, spread evenly, both ends among them."""
    return [int(n) for n in np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))]


def _matrix(rows: Sequence[Mapping[int, float]], columns: int) -> csr_array:
    at = [(row, column, value) for row, found in enumerate(rows) for column, value in found.items()]
    line, column, value = zip(*at, strict=True)
    return csr_array((value, (line, column)), shape=(len(rows), columns))
