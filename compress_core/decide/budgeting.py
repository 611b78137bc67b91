"""From what must hold to a recipe: refused where it cannot be, scanned, solved, polished and checked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from compress_core.apply.model import Model
from compress_core.decide.budget_check import CheckedDrop, checked_drop
from compress_core.decide.estimated_time import time_line, timed
from compress_core.decide.family import Family
from compress_core.decide.fewest import fewest, tightened
from compress_core.decide.option_table import OptionTable, option_table
from compress_core.decide.options import Resource
from compress_core.decide.polish import Polished, polish
from compress_core.decide.requirements import Requirements
from compress_core.decide.scan import VALIDATION, scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.smallest_options import smallest_table
from compress_core.decide.solve import answered, refuse_infeasible
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict, Unit
from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.measure.speed.rounds import Watch, this_machine

FAMILIES = (Family.PRUNE, Family.RANK, Family.BITS)


class BudgetPlan(Strict):
    """What must hold, what may be done for it, and how much is measured."""

    requirements: Requirements
    scan: ScanPlan = ScanPlan(families=FAMILIES)
    held: Annotated[
        dict[str, list[dict[str, Any]]],
        Field(description="Layers, and groups as 'group NAME', that take these steps whatever is best."),
    ] = Field(default_factory=dict)
    evaluations: Annotated[
        int, Field(ge=0, le=1000, description="How many mutations of the answer are measured.")
    ] = 40
    items: Annotated[
        int, Field(ge=2, description="On how many validation items each of them is."), Unit("items")
    ] = 1000


@dataclass(frozen=True, eq=False)
class Budgeted:
    """The recipe that was found: what was estimated, what was measured, and what it was chosen from.

    time: milliseconds of one item, measured where they are limited; longest: their limit.
    """

    table: OptionTable
    limits: Mapping[Resource, float]
    estimated_kl: float
    gap: float
    polished: Polished
    checked: CheckedDrop
    time: Number | None = None
    longest: float | None = None

    @property
    def model(self) -> Model:
        """The model that the recipe makes."""
        return self.checked.solution.model

    @property
    def holds(self) -> bool:
        """Whether the drop holds, and the time where it is limited."""
        is_fast = self.longest is None or (self.time is not None and (self.time.value or 0) <= self.longest)
        return self.checked.holds and is_fast

    def rows(self) -> list[dict[str, Any]]:
        """For each place its steps, estimated bytes and divergence, and the price of its neighbors."""
        return [
            {
                "place": place.place,
                "group": place.is_group,
                "steps": [step.as_json() for step in option.steps],
                "bytes": option.cost.packed_bytes,
                "kl": option.kl,
                **place.prices(option),
            }
            for place, option in zip(self.table.places, self.checked.solution.options, strict=True)
        ]


def budgeted(
    parent: Model, plan: BudgetPlan, store: Store, watch: Watch | None = None
) -> Generator[Progress, None, Budgeted]:
    """Find the recipe that a plan asks for on top of a model; watch: the clock of this machine if left out.

    Raises Refused before anything is evaluated where a limit is below the smallest options, and where none
    within the limits was found.
    """
    wanted = plan.requirements
    split = parent.subject.split(VALIDATION)
    if wanted.has_drop and split.labels is None:
        raise Refused("Without labels no drop of accuracy is measured: limit the bytes, weights or MACs.")
    limits = wanted.limits(sum(layer.weights for layer in parent.subject.layers))
    clock = watch or this_machine()
    if wanted.has_limit:
        smallest_options = smallest_table(parent, plan.scan, store)
        if wanted.milliseconds is not None:
            line = time_line(parent, smallest_options, split, clock, store)
            most = line.macs_within(wanted.milliseconds)
            limits = {**limits, Resource.MACS: min(most, limits.get(Resource.MACS, most))}
        refuse_infeasible(smallest_options, limits)
    found = yield from scan(parent, plan.scan, store)
    weighed = yield from option_table(parent, found, split.first(plan.scan.sample), store)
    table = weighed.held(plan.held)
    refuse_infeasible(table, limits)
    smallest, items = wanted.optimize.resource, split.first(plan.items)
    if smallest is None:
        first = answered(parent, table, limits, store)
    else:
        first = yield from fewest(parent, table, limits, wanted, split, store)
    if first is None:
        raise Refused("No recipe within these limits was found: allow more, or measure more degrees.")
    kept = limits if smallest is None else {**limits, smallest: first.cost[smallest]}
    better = yield from polish(parent, table, first, kept, items, plan.evaluations, store)
    if smallest is None:
        checked = checked_drop(parent, table, better.solution, limits, wanted, split, store)
    else:
        checked = yield from tightened(parent, table, (better.solution, first), kept, wanted, split, store)
    evaluate(checked.solution.model, split, store)  # so that it stands among all models
    time = None
    if wanted.milliseconds is not None:
        time = timed({"found": checked.solution.model}, split, clock)["found"]
    return Budgeted(table, limits, first.kl, first.gap, better, checked, time, wanted.milliseconds)
