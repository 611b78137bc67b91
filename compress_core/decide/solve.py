"""A choice for given limits: looked up on the curve, or from the integer program where that is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from compress_core.apply.model import Model
from compress_core.decide.budget_curve import BudgetCurve, budget_curve
from compress_core.decide.chosen_recipe import chosen_model
from compress_core.decide.integer_program import integer_program
from compress_core.decide.option_table import OptionTable, cost_of
from compress_core.decide.options import Option, Resource
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store

ATTEMPTS = 6  # that bring the real file below the budget; the second or third mostly does
CLOSE = 0.004  # of the budget that may stay unused


@dataclass(frozen=True, eq=False)
class Solution:
    """One option for each place of the table, and the model that they make.

    kl: the estimated divergence in nats; cost: what the model really takes; gap: by which share of the
    divergence a better choice could exist, of the last integer program; 0 from a curve.
    """

    options: tuple[Option, ...]
    model: Model
    kl: float
    cost: Mapping[Resource, float]
    gap: float = 0.0


def curve_of(table: OptionTable, resource: Resource) -> BudgetCurve:
    """All budgets of one resource; coupled groups stay whole in it, or as they are locked."""
    return budget_curve(table.layers, resource, table.fixed.of(resource))


def refuse_infeasible(table: OptionTable, limits: Mapping[Resource, float]) -> None:
    """Raises Refused where even the smallest option of every layer and group is beyond a limit."""
    for resource, limit in limits.items():
        if resource is Resource.MACS and not table.original.macs:
            raise Refused("The MACs of this model cannot be counted: limit its bytes or weights instead.")
        least = least_cost(table, resource)
        if least > limit:
            raise Refused(
                "{limit:,.0f} {resource} cannot be reached: the smallest option of every layer together "
                "takes {least:,.0f}. Allow at least that, or unlock layers.",
                limit=limit,
                resource=resource.label,
                least=least,
            )


def least_cost(table: OptionTable, resource: Resource) -> float:
    """No choice takes less: the smallest option of every layer, times the smallest share of each group."""
    total = table.fixed.of(resource)
    for layer in table.layers:
        share = 1.0
        for group in table.groups:
            share *= min(dict(option.shares).get(layer.place, 1.0) for option in group.options)
        total += layer.least(resource) * share
    return total


def answered(
    parent: Model, table: OptionTable, limits: Mapping[Resource, float], store: Store
) -> Solution | None:
    """The choice of least estimated divergence whose real model is within all limits; None if none was found.

    Bytes of single layers are estimated, so the budget is moved by what the real file takes more or less.
    """
    curve = None
    if len(limits) == 1 and all(len(group.options) == 1 for group in table.groups):
        curve = curve_of(table, next(iter(limits)))
    aimed, best = dict(limits), None
    for _ in range(ATTEMPTS):
        found = _by_curve(curve, table, aimed) if curve is not None else _by_program(table, aimed)
        if found is None:
            return best
        options, expected, gap = found
        model = chosen_model(parent, table.places, options, store)
        cost = {resource: cost_of(model, resource, store) for resource in limits}
        within = all(cost[resource] <= limit for resource, limit in limits.items())
        if within and (best is None or _sum(options) < best.kl):
            best = Solution(options, model, _sum(options), cost, gap)
        over = {resource: cost[resource] - limits[resource] for resource in limits}
        if within and all(
            -over[r] <= CLOSE * limits[r] or expected[r] < (1 - CLOSE) * aimed[r] for r in limits
        ):
            return best
        aimed = {resource: limits[resource] - (cost[resource] - expected[resource]) for resource in limits}
    return best


_Found = tuple[tuple[Option, ...], Mapping[Resource, float], float]


def _by_curve(curve: BudgetCurve, table: OptionTable, aimed: Mapping[Resource, float]) -> _Found | None:
    (limit,) = aimed.values()
    choice = curve.at(limit)
    if choice is None:
        return None
    own = iter(choice.options)
    options = tuple(place.options[0] if place.is_group else next(own) for place in table.places)
    return options, {curve.resource: choice.cost}, 0.0


def _by_program(table: OptionTable, aimed: Mapping[Resource, float]) -> _Found | None:
    fixed = {resource: table.fixed.of(resource) for resource in aimed}
    solved = integer_program(table.places, aimed, fixed)
    return None if solved is None else (solved.options, solved.cost, solved.gap)


def solution_within(
    parent: Model,
    table: OptionTable,
    options: tuple[Option, ...],
    limits: Mapping[Resource, float],
    store: Store,
) -> Solution | None:
    """A choice with the model that it makes; None where that is beyond a limit. Raises Refused."""
    model = chosen_model(parent, table.places, options, store)
    cost = {resource: cost_of(model, resource, store) for resource in limits}
    if any(cost[resource] > limit for resource, limit in limits.items()):
        return None
    return Solution(options, model, _sum(options), cost)


def _sum(options: tuple[Option, ...]) -> float:
    return sum(option.kl for option in options)


def without_groups(table: OptionTable) -> OptionTable:
    """The table in which no channel goes: then one limit is solved for all budgets at once."""
    places = tuple(p.held_at(p.as_it_is) if p.is_group and not p.is_locked else p for p in table.places)
    return replace(table, places=places)
