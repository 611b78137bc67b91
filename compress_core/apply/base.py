"""What is prepared and cut before any weight is treated: it leads to a base, a subject of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from compress_core.apply.context import (
    Context,
    Part,
    canonical_step,
    items_behind,
    start,
)
from compress_core.apply.group_scores import unit_scores
from compress_core.apply.groups_found import groups_in
from compress_core.apply.prepare import prepared
from compress_core.apply.views.group_view import members_with_layers
from compress_core.apply.views.weight_view import is_asked_by
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store, digest
from compress_core.foundation.texts import Phrase
from compress_core.recipe.values import Named, Recipe, ResolvedRecipe, Rule, Step
from compress_core.selection.group_selection import GroupSelection, choose_units
from compress_core.structure.group import Group, GroupKind
from compress_core.structure.shrink import ChannelCut, shrink
from compress_core.structure.structure import Structure
from compress_core.subject.subject import Subject, restructured


def groups_of(subject: Subject, prepare: Sequence[Step], store: Store) -> Mapping[str, Group]:
    """The coupled groups of a subject once it is prepared, free or locked, by name."""
    return groups_in(prepared(subject, tuple(prepare), store), store)


def resolved_groups(recipe: Recipe, groups: Mapping[str, Group]) -> Named:
    """For each group that is cut, its step; the first rule that can serve it wins.

    Raises Refused for a rule that serves no group, with the reason where all it names are locked.
    """
    taken: dict[str, Rule] = {}
    for rule in recipe.groups:
        named = [group for group in groups.values() if rule.matches(group.name, groups)]
        served = [group.name for group in named if group.locked is None and _fits(rule.steps[0], group)]
        if not served:
            raise _refusal(rule, named, groups)
        taken = dict.fromkeys(served, rule) | taken
    return tuple((name, taken[name].steps) for name in groups if name in taken)


def _fits(step: Step, group: Group) -> bool:
    """A block is dropped, channels are chosen by a criterion."""
    return (group.kind is GroupKind.BLOCK) != isinstance(step.knobs, GroupSelection)


def _refusal(rule: Rule, named: Sequence[Group], groups: Mapping[str, Group]) -> Refused:
    locked = next((group for group in named if group.locked is not None), None)
    if locked is not None:
        return Refused(
            "{group} is locked: {reason}. Leave it out of groups.", group=locked.name, reason=locked.locked
        )
    if named:
        return Refused(
            "{technique} does not suit {group}, which is of kind {kind}: drop a block with drop_block, and "
            "choose channels with a criterion.",
            technique=rule.steps[0].technique,
            group=named[0].name,
            kind=named[0].kind.label,
        )
    free = [name for name, group in groups.items() if group.locked is None]
    return Refused(
        "No group of coupled channels matches {match!r}; the free groups are {names}: correct the name.",
        match=rule.match,
        names=", ".join(free[:12]) + (", ..." if len(free) > 12 else "") or Phrase("none"),
    )


@dataclass(frozen=True, eq=False)
class Cutting:
    """What the groups of a recipe take away: which units stay of each group, and what follows for modules."""

    kept: Mapping[str, Tensor]
    cuts: tuple[ChannelCut, ...]
    dropped: tuple[str, ...]


def cutting_of(subject: Subject, resolved: ResolvedRecipe, store: Store) -> Cutting:
    """Which units the groups of a recipe lose; raises Refused. Nothing is built."""
    base = _calibrated(prepared(subject, resolved.prepare, store), resolved)
    groups = groups_of(subject, resolved.prepare, store)
    kept = _kept_units(resolved.groups, groups, Context(base, store))
    cuts = tuple(cut for name, units in kept.items() for cut in groups[name].cuts(units))
    dropped = tuple(gone for name, units in kept.items() for gone in groups[name].dropped(units))
    return Cutting(MappingProxyType(kept), cuts, dropped)


def _kept_units(chosen: Named, groups: Mapping[str, Group], context: Context) -> dict[str, Tensor]:
    kept: dict[str, Tensor] = {}
    scopes: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    steps = {name: found[0] for name, found in chosen}
    context = replace(context, companions=partial(_asking, steps, groups, context))
    for name, step in steps.items():
        choice = step.knobs
        if name not in groups or groups[name].locked is not None:
            raise Refused("There is no free group {group} in this model: leave it out of groups.", group=name)
        if not isinstance(choice, GroupSelection):
            kept[name] = torch.zeros(groups[name].units, dtype=torch.bool)
        else:
            scopes[canonical_step(step), "" if choice.scope == "network" else name].append(name)
    for members in scopes.values():
        choice = steps[members[0]].knobs
        assert isinstance(choice, GroupSelection)
        scores = [unit_scores(groups[name], steps[name], context) for name in members]
        kept |= dict(zip(members, choose_units(scores, choice), strict=True))
    return {name: kept[name] for name in steps}


def _asking(
    steps: Mapping[str, Step], groups: Mapping[str, Group], context: Context, statistic: str
) -> Iterator[Part]:
    """The weights of which the criteria of these groups ask a statistic."""
    asking = [groups[name] for name, step in steps.items() if is_asked_by(step, statistic)]
    layers = {layer.name: layer for group in asking for _, layer in members_with_layers(group, context)}
    return (start(layer, context) for name, layer in layers.items() if name not in context.base.problems)


def base_of(subject: Subject, resolved: ResolvedRecipe, store: Store) -> Subject:
    """The subject that the layers' steps work on: prepared, and with its groups cut; raises Refused.

    It has as many calibration items as the recipe asks for.
    """
    base = prepared(subject, resolved.prepare, store)
    if not resolved.groups:
        return _calibrated(base, resolved)
    items = items_behind(subject, (step for _, steps in resolved.groups for step in steps))
    key = digest("base", subject.key, resolved.structure_sha, *items)
    cut = store.get(key, lambda: _cut(subject, base, resolved, key, store))
    return _calibrated(cut.shown_as(subject), resolved)


def _calibrated(base: Subject, resolved: ResolvedRecipe) -> Subject:
    """The same network with no more calibration items than the recipe asks for."""
    items, whole = resolved.calibration.items, base.splits.get("calibration")
    if items is None or whole is None or items >= len(whole):
        return base
    return replace(base, splits=MappingProxyType({**base.splits, whole.name: whole.first(items)}))


def _cut(subject: Subject, base: Subject, resolved: ResolvedRecipe, key: str, store: Store) -> Subject:
    found = cutting_of(subject, resolved, store)
    network = shrink(base.network, found.cuts, found.dropped)
    structure = base.structure.then(Structure(cuts=found.cuts, dropped=found.dropped))
    return restructured(base, network, structure, key)
