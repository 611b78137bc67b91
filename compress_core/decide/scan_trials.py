"""What a scan tries: every free layer and every coupled group, family by family, degree by degree."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from compress_core.apply.groups_found import groups_in
from compress_core.apply.kept_forms import ground_of
from compress_core.apply.model import Model
from compress_core.decide.degrees import bits, ranks, shares_of_units, shares_pruned
from compress_core.decide.family import Family
from compress_core.decide.knob_positions import KNOB, STAGE
from compress_core.decide.scan_plan import ScanPlan
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.network.layers.kinds import Layer
from compress_core.recipe.resolving import layer_is_locked
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.structure.group import Group, GroupKind
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.technique import technique_named

_NOTHING_LEFT = 1.0  # where a block stands that is left out


@dataclass(frozen=True, eq=False)
class ScanTrial:
    """One place compressed alone to one degree; refused: why that is known to be impossible."""

    place: str
    family: Family
    value: float
    steps: tuple[Step, ...]
    refused: Refused | None = None

    @property
    def recipe(self) -> ResolvedRecipe:
        """What is done to the parent."""
        named = ((self.place, self.steps),)
        return ResolvedRecipe((), named) if self.family is Family.STRUCTURE else ResolvedRecipe(named)


def trials_of(parent: Model, plan: ScanPlan, store: Store) -> tuple[ScanTrial, ...]:
    """All that the plan asks for, places in the order of the network.

    Raises Refused for a technique without the knob of its family, and where a layer of the parent was
    factored.
    """
    _refuse_strangers(plan)
    ground = ground_of(parent, store)
    found = [trial for layer in ground.layers for trial in _of_layer(layer, ground, plan)]
    if Family.STRUCTURE in plan.families:
        for group in groups_in(ground, store).values():
            found.extend(_of_group(group, plan))
    order = [layer.name for layer in ground.layers]
    return tuple(sorted(found, key=lambda trial: _front(trial.place, order)))


def degrees_tried(
    family: Family, plan: ScanPlan, layers: Iterable[Layer], groups: Iterable[Group]
) -> Mapping[str, Sequence[float]]:
    """The degrees to which a family is tried on each place that nothing locks: of channels, each group."""
    if family is Family.STRUCTURE:
        return {group.name: _group_degrees(group, plan.points) for group in groups}
    return {layer.name: _degrees(family, layer, plan.points) for layer in layers}


def trials_of_shard(trials: Sequence[ScanTrial], shard: str) -> tuple[ScanTrial, ...]:
    """The part of all trials that a shard measures; raises Refused for 3/2."""
    number, _, of = shard.partition("/")
    if int(number) > int(of):
        said = "There is no part {shard} of a scan: name one from 1/{of} to {of}/{of}."
        raise Refused(said, shard=shard, of=of)
    return tuple(trials[int(number) - 1 :: int(of)])


def _front(place: str, order: Sequence[str]) -> int:
    """Where a place begins; a block begins with its first layer."""
    inside = (i for i, name in enumerate(order) if name == place or name.startswith(f"{place}."))
    return next(inside, len(order))


def _refuse_strangers(plan: ScanPlan) -> None:
    for family in plan.families:
        technique = technique_named(plan.technique_of(family))
        knobs = technique.group_knobs if family is Family.STRUCTURE else technique.knobs
        fits = family is Family.STRUCTURE or technique.stage is STAGE[family]
        if knobs is None or not fits or KNOB[family] not in knobs.model_fields:
            raise Refused(
                "{technique} has no knob {knob}, which a scan of {family} turns: name another technique.",
                technique=technique.name,
                knob=KNOB[family],
                family=family.value,
            )


def _of_layer(layer: Layer, ground: Subject, plan: ScanPlan) -> Iterator[ScanTrial]:
    for family in plan.families:
        if family is Family.STRUCTURE:
            continue
        values = _degrees(family, layer, plan.points)
        if layer.name in ground.locked:
            yield _impossible(layer.name, family, layer_is_locked(layer.name, ground.locked[layer.name]))
        elif layer.name in plan.locked:
            yield _impossible(layer.name, family, _locked_here(layer.name))
        elif not values:
            yield _impossible(layer.name, family, _never_smaller(layer))
        else:
            knob, technique = KNOB[family], plan.technique_of(family)
            for value in values:
                yield ScanTrial(layer.name, family, float(value), (Step.of(technique, **{knob: value}),))


def _degrees(family: Family, layer: Layer, points: int) -> Sequence[float]:
    match family:
        case Family.PRUNE:
            return shares_pruned(points)
        case Family.RANK:
            return ranks(points, layer)
        case Family.BITS:
            return bits(points)
        case Family.STRUCTURE:
            raise AssertionError("channels are cut from groups")


def _group_degrees(group: Group, points: int) -> Sequence[float]:
    return (_NOTHING_LEFT,) if group.kind is GroupKind.BLOCK else shares_of_units(points, group.units)


def _of_group(group: Group, plan: ScanPlan) -> Iterator[ScanTrial]:
    family, values = Family.STRUCTURE, _group_degrees(group, plan.points)
    if group.locked is not None:
        said = "{group} is locked: {reason}. Leave it out of groups."
        yield _impossible(group.name, family, Refused(said, group=group.name, reason=group.locked))
    elif _is_locked(group, plan.locked):
        yield _impossible(group.name, family, _locked_here(group.name))
    elif group.kind is GroupKind.BLOCK:
        yield ScanTrial(group.name, family, _NOTHING_LEFT, (Step.of("drop_block"),))
    elif not values:
        only = Refused("{group} has a single channel, which has to stay: leave it whole.", group=group.name)
        yield _impossible(group.name, family, only)
    else:
        for share in values:
            step = Step.of_group(plan.structure, share_removed=share)
            yield ScanTrial(group.name, family, share, (step,))


def _is_locked(group: Group, locked: Container[str]) -> bool:
    return group.name in locked or any(member.module in locked for member in group.members)


def _impossible(place: str, family: Family, refused: Refused) -> ScanTrial:
    return ScanTrial(place, family, 0.0, (), refused)


def _locked_here(place: str) -> Refused:
    return Refused("{place} is locked, so it was not tried: unlock it and scan again.", place=place)


def _never_smaller(layer: Layer) -> Refused:
    return Refused(
        "No rank makes {layer} ({rows} x {columns}) smaller: prune it or give it fewer bits instead.",
        layer=layer.name,
        rows=layer.rows,
        columns=layer.columns,
    )
