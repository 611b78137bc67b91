"""Repair an answer by real evaluations: one layer milder, another harder, at the same cost.

What the curves say of a layer alone is not quite what it does beside the others. Each mutation that is
measured corrects how far the curves of both layers are believed, so that the next ones are chosen better.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from compress_core.apply.model import Model
from compress_core.decide.chosen_recipe import chosen_model
from compress_core.decide.joint_excess import measured_kl
from compress_core.decide.option_table import OptionTable
from compress_core.decide.options import Option, Resource
from compress_core.decide.solve import Solution, solution_within
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.subject.split import Split

REACH = 4  # options that a layer moves at once, at most
_MOST_BELIEVED = 2.0  # by which one measurement corrects what the curve of a layer says
POLISHING = N_("mutations that keep the cost")


@dataclass(frozen=True, eq=False)
class Polished:
    """What mutations made of an answer.

    before, after: the measured divergence on n items, in nats; evaluations: how many mutations were
    measured, accepted: how many of them stayed.
    """

    solution: Solution
    before: float
    after: float
    n: int
    evaluations: int
    accepted: int


@dataclass(frozen=True)
class _Mutation:
    """The numbers of two places and the options that they take; what the curves say comes of it."""

    milder: tuple[int, int]
    harder: tuple[int, int]
    gain: float
    loss: float


@dataclass(frozen=True, eq=False)
class _Search:
    """Where a polish stands: which option each place has, how far its curve is believed, what was tried."""

    table: OptionTable
    limits: Mapping[Resource, float]
    taken: tuple[int, ...]
    belief: tuple[float, ...]
    tried: set[tuple[int, ...]] = field(default_factory=set)


def polish(
    parent: Model,
    table: OptionTable,
    answer: Solution,
    limits: Mapping[Resource, float],
    split: Split,
    evaluations: int,
    store: Store,
) -> Generator[Progress, None, Polished]:
    """Measure so many mutations and keep those that lower the divergence within all limits.

    The same call gives the same answer.
    """
    table = table.worth_trying(tuple(limits), answer.options)
    before = best = measured_kl(parent, answer.model, split, store)
    taken = tuple(p.options.index(o) for p, o in zip(table.places, answer.options, strict=True))
    search = _Search(table, limits, taken, (1.0,) * len(taken), {taken})
    accepted = done = 0
    while done < evaluations:
        yield Progress(done, evaluations, POLISHING)
        mutation = _best_untried(search, answer.cost)
        if mutation is None:
            break
        taken = _mutated(search.taken, mutation)
        search.tried.add(taken)
        model = _made(parent, table, taken, store)
        if model is None:
            continue
        done += 1
        kl = measured_kl(parent, model, split, store)
        search = replace(search, belief=_corrected(search, mutation, kl - best))
        options = _options(table, taken)
        found = solution_within(parent, table, options, limits, store) if kl < best else None
        if found is not None:
            best, answer, accepted = kl, found, accepted + 1
            search = replace(search, taken=taken)
    return Polished(answer, before, best, len(split), done, accepted)


def _made(parent: Model, table: OptionTable, taken: tuple[int, ...], store: Store) -> Model | None:
    """The model of a choice, where it can be made."""
    with suppress(Refused):
        return chosen_model(parent, table.places, _options(table, taken), store)
    return None


def _options(table: OptionTable, taken: tuple[int, ...]) -> tuple[Option, ...]:
    return tuple(place.options[index] for place, index in zip(table.places, taken, strict=True))


def _best_untried(search: _Search, cost: Mapping[Resource, float]) -> _Mutation | None:
    """The mutation within the limits of which the curves, as far as they are believed, promise most."""
    room = {resource: limit - cost[resource] for resource, limit in search.limits.items()}
    found = [
        mutation
        for harder in range(len(search.taken))
        for milder in range(len(search.taken))
        if harder != milder
        for mutation in _mutations(search, milder, harder, room)
        if _mutated(search.taken, mutation) not in search.tried
    ]
    return min(found, key=lambda m: m.loss - m.gain, default=None)


def _mutations(
    search: _Search, milder: int, harder: int, room: Mapping[Resource, float]
) -> Generator[_Mutation, None, None]:
    """One place some options harder, and the other as mild as what this saves allows."""
    options = search.table.places[harder].options
    own = options[search.taken[harder]]
    for index in _near(search, harder, is_milder=False):
        saved = {r: own.cost.of(r) - options[index].cost.of(r) + left for r, left in room.items()}
        gain = _mildest(search, milder, saved)
        if gain is not None:
            loss = search.belief[harder] * (options[index].kl - own.kl)
            yield _Mutation((milder, gain[0]), (harder, index), gain[1], loss)


def _mildest(search: _Search, place: int, saved: Mapping[Resource, float]) -> tuple[int, float] | None:
    """The milder option that what is saved allows, with what it gains; None where there is none."""
    options = search.table.places[place].options
    own = options[search.taken[place]]
    allowed = [
        (index, search.belief[place] * (own.kl - options[index].kl))
        for index in _near(search, place, is_milder=True)
        if all(options[index].cost.of(r) - own.cost.of(r) <= left for r, left in saved.items())
    ]
    return max(allowed, key=lambda pair: pair[1], default=None)


def _near(search: _Search, place: int, *, is_milder: bool) -> list[int]:
    """Numbers of the options that are next in divergence, the nearest first."""
    options = search.table.places[place].options
    own = options[search.taken[place]].kl
    beyond = [
        (abs(o.kl - own), n) for n, o in enumerate(options) if (o.kl < own if is_milder else o.kl > own)
    ]
    return [number for _, number in sorted(beyond)[:REACH]]


def _mutated(taken: tuple[int, ...], mutation: _Mutation) -> tuple[int, ...]:
    new = dict((mutation.milder, mutation.harder))
    return tuple(new.get(place, option) for place, option in enumerate(taken))


def _corrected(search: _Search, mutation: _Mutation, really: float) -> tuple[float, ...]:
    """How far each curve is believed after a measurement: both places share what it was off by."""
    off = (really - (mutation.loss - mutation.gain)) / 2
    changes = {
        mutation.harder[0]: _ratio(mutation.loss + off, mutation.loss),
        mutation.milder[0]: _ratio(mutation.gain - off, mutation.gain),
    }
    return tuple(belief * changes.get(place, 1.0) for place, belief in enumerate(search.belief))


def _ratio(now: float, before: float) -> float:
    return float(np.clip(now / max(before, 1e-12), 1 / _MOST_BELIEVED, _MOST_BELIEVED))
