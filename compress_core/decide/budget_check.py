"""Whether the drop of a solution holds on all items; its worst layers are made milder until it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from compress_core.apply.model import Model
from compress_core.decide.option_table import OptionTable
from compress_core.decide.options import Resource
from compress_core.decide.requirements import Requirements
from compress_core.decide.solve import Solution, solution_within
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import predict
from compress_core.subject.split import Split


@dataclass(frozen=True, eq=False)
class CheckedDrop:
    """What a solution does on all items; made_milder: the places that were, in order.

    holds: whether the drop is within what was asked; worst_class: points, of the class that lost most, None
    without labels.
    """

    solution: Solution
    numbers: Mapping[str, Number]
    worst_class: float | None
    made_milder: tuple[str, ...]
    holds: bool


def checked_drop(
    parent: Model,
    table: OptionTable,
    solution: Solution,
    limits: Mapping[Resource, float],
    wanted: Requirements,
    split: Split,
    store: Store,
) -> CheckedDrop:
    """Evaluate on all items of a split, and make the worst place milder while the limits allow it."""
    milder: list[str] = []
    while True:
        checked = checked_once(parent, solution, wanted, split, store)
        next_one = None if checked.holds else _milder(parent, table, solution, limits, store)
        if next_one is None:
            return replace(checked, made_milder=tuple(milder))
        place, solution = next_one
        milder.append(place)


def checked_once(
    parent: Model, solution: Solution, wanted: Requirements, split: Split, store: Store
) -> CheckedDrop:
    """What a solution does on all items of a split, as it is."""
    comparison = Comparison(predict(parent, split, store), predict(solution.model, split, store))
    worst = -float(comparison.per_class()["change"].min()) if comparison.has_labels else None
    return CheckedDrop(solution, comparison.numbers, worst, (), _holds(comparison, worst, wanted))


def _holds(comparison: Comparison, worst: float | None, wanted: Requirements) -> bool:
    if not wanted.has_drop:
        return True
    change = comparison.numbers["accuracy_change"].value
    if change is None or worst is None:
        return False
    within = wanted.largest_drop is None or -change <= wanted.largest_drop
    return within and (wanted.worst_class is None or worst <= wanted.worst_class)


def _milder(
    parent: Model, table: OptionTable, solution: Solution, limits: Mapping[Resource, float], store: Store
) -> tuple[str, Solution] | None:
    """The solution with one place milder, that of the largest divergence first, where the limits allow it."""
    order = sorted(range(len(table.places)), key=lambda at: -solution.options[at].kl)
    for at in order:
        own = solution.options[at]
        for option in sorted(table.places[at].options, key=lambda o: -o.kl):
            if option.kl >= own.kl:
                continue
            options = (*solution.options[:at], option, *solution.options[at + 1 :])
            made = solution_within(parent, table, options, limits, store)
            if made is not None:
                return table.places[at].place, made
            break
    return None
