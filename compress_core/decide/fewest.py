"""The smallest model whose drop still holds: budgets are halved by real evaluations, then single layers."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from math import sqrt

from compress_core.apply.model import Model
from compress_core.decide.budget_check import CheckedDrop, checked_once
from compress_core.decide.option_table import OptionTable
from compress_core.decide.options import Option, Resource
from compress_core.decide.requirements import Requirements
from compress_core.decide.solve import Solution, answered, least_cost, solution_within
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.subject.split import Split

STEPS = 10
CLOSE = 1.01
"""Budgets that are nearer than this ratio are not told apart."""
TIGHTENED = 20
"""Single layers that are tried one option harder, at most."""
HALVING = N_("budgets whose drop is measured")
TIGHTENING = N_("single layers one step smaller")


def fewest(
    parent: Model,
    table: OptionTable,
    limits: Mapping[Resource, float],
    wanted: Requirements,
    split: Split,
    store: Store,
) -> Generator[Progress, None, Solution | None]:
    """The answer to the smallest budget whose drop holds on all items of a split.

    Between the smallest options and the model as it is the middle (of logarithms) is solved and evaluated,
    again and again. Where no budget holds, the answer to the largest one; None where the limits leave none.
    """
    resource = _aim(wanted)
    if resource is Resource.MACS and not table.original.macs:
        raise Refused("The MACs of this model cannot be counted: make its bytes or weights few instead.")
    low, high = max(least_cost(table, resource), 1.0), max(table.original.of(resource), 1.0)
    whole, best = min(high, limits.get(resource, high)), None
    high = whole
    for step in range(STEPS):
        if high <= CLOSE * low:
            break
        yield Progress(step, STEPS, HALVING)
        middle = sqrt(low * high)
        found = answered(parent, table, {**limits, resource: middle}, store)
        if found is not None and checked_once(parent, found, wanted, split, store).holds:
            best, high = found, min(middle, found.cost[resource])
        else:
            low = middle
    return best or answered(parent, table, {**limits, resource: whole}, store)


def tightened(
    parent: Model,
    table: OptionTable,
    found: Sequence[Solution],
    limits: Mapping[Resource, float],
    wanted: Requirements,
    split: Split,
    store: Store,
) -> Generator[Progress, None, CheckedDrop]:
    """The first solution whose drop holds, with single places one option smaller while it still does.

    found: from the one that is wanted most; the last one stands where none holds.
    """
    resource = _aim(wanted)
    checked = [checked_once(parent, solution, wanted, split, store) for solution in found]
    best = next((each for each in checked if each.holds), checked[-1])
    tried: set[tuple[Option, ...]] = set()
    for step in range(TIGHTENED if best.holds else 0):
        yield Progress(step, TIGHTENED, TIGHTENING)
        options = next((o for o in _smaller(table, best.solution, resource) if o not in tried), None)
        if options is None:
            break
        tried.add(options)
        made = None
        with suppress(Refused):
            made = solution_within(parent, table, options, limits, store)
        if made is None or made.cost[resource] >= best.solution.cost[resource]:
            continue
        now = checked_once(parent, made, wanted, split, store)
        best = now if now.holds else best
    return best


def _aim(wanted: Requirements) -> Resource:
    resource = wanted.optimize.resource
    assert resource is not None, "a cost is made small"
    return resource


def _smaller(table: OptionTable, solution: Solution, resource: Resource) -> Iterator[tuple[Option, ...]]:
    """The solution with one layer at its next smaller option, what costs least for what it saves first."""
    found: list[tuple[float, int, tuple[Option, ...]]] = []
    for at, place in enumerate(table.places):
        own = solution.options[at]
        below = [o for o in place.options if o.cost.of(resource) < own.cost.of(resource)]
        if below:
            option = max(below, key=lambda o: (o.cost.of(resource), -o.kl))
            price = (option.kl - own.kl) / (own.cost.of(resource) - option.cost.of(resource))
            found.append((price, at, (*solution.options[:at], option, *solution.options[at + 1 :])))
    yield from (options for _price, _at, options in sorted(found, key=lambda one: one[:2]))
