"""The least that a plan can reach, told from the weights alone: nothing is evaluated for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compress_core.apply.kept_forms import ground_of
from compress_core.apply.model import Model
from compress_core.decide.family import Family
from compress_core.decide.group_options import NOTHING, shares_left
from compress_core.decide.joint_options import UNTOUCHED, Degree
from compress_core.decide.option_costs import layer_options
from compress_core.decide.option_table import OptionTable, table_of
from compress_core.decide.options import Option, PlaceOptions
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.scan_trials import trials_of
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.recipe.values import Step


def smallest_table(parent: Model, plan: ScanPlan, store: Store) -> OptionTable:
    """Each place as it is and at its hardest degrees, joint ones too; divergences are not known in it."""
    layers: dict[str, dict[Family, tuple[Step, ...]]] = {}
    groups: dict[str, tuple[Step, ...]] = {}
    for trial in trials_of(parent, plan, store):
        if trial.refused is not None:
            continue
        if trial.family is Family.STRUCTURE:
            groups[trial.place] = trial.steps
        else:
            layers.setdefault(trial.place, {})[trial.family] = trial.steps
    places = [
        result_of(layer_options(parent, name, _hardest(found), store)) for name, found in layers.items()
    ]
    return table_of(parent, places, _cut(parent, groups, store), 0, store)


def _hardest(found: Mapping[Family, tuple[Step, ...]]) -> Sequence[Degree]:
    bits = found.get(Family.BITS, ())
    whole = [found[family] for family in (Family.PRUNE, Family.RANK) if family in found]
    ways = [(*steps, *bits) for steps in (*whole, ())]
    return (UNTOUCHED, *(Degree(steps, 1.0) for steps in ways if steps))


def _cut(parent: Model, groups: Mapping[str, tuple[Step, ...]], store: Store) -> tuple[PlaceOptions, ...]:
    ground = ground_of(parent, store)
    return tuple(
        PlaceOptions(
            name,
            (Option((), NOTHING, 0.0), Option(steps, NOTHING, 1.0, shares_left(ground, name, steps, store))),
            is_group=True,
        )
        for name, steps in groups.items()
    )
