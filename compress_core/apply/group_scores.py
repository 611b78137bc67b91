"""How much each unit of a coupled group matters: one score from all layers that share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from compress_core.apply.context import Context, items_behind, start, supply, technique_result
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import digest
from compress_core.network.layers import Layer, LayerKind, Side, read_kernel
from compress_core.network.layers.cut import channel_means, norm_gain
from compress_core.recipe import Step
from compress_core.selection.group_selection import GroupSelection
from compress_core.selection.scores import Scores
from compress_core.structure.group import Group, Member, MemberRole
from compress_core.techniques.contract.results import ChannelScores

_TINY = torch.finfo(torch.float32).tiny


def unit_scores(group: Group, step: Step, context: Context) -> Tensor:
    """Scores [units] of a group by a criterion, higher stays; kept by what they were made of.

    A criterion for weights is averaged over each unit's share of a layer, brought to a mean of 1 there,
    and put together over producers and consumers as `aggregate` says. Raises Refused.
    """
    choice = step.knobs
    assert isinstance(choice, GroupSelection)
    own = {k: v for k, v in step.knobs if k in step.method.own_knobs}
    aggregate = choice.aggregate if step.method.is_criterion else ""
    items = items_behind(context.base, [step])
    made_of = (context.base.digest, group.name, step.technique, sorted(own.items()), aggregate)
    key = digest("units", *made_of, *items)
    return context.store.get(key, lambda: _scored(group, step, choice, context), lambda s: s.nbytes)


def _scored(group: Group, step: Step, choice: GroupSelection, context: Context) -> Tensor:
    if not step.method.is_criterion:
        return _by_channels(group, step, context)
    members = [_by_weights(member, layer, step, context) for member, layer in _layers(group, context)]
    if not members:
        raise Refused(
            "{group} has no layer whose weights {technique} could score: choose a criterion for groups.",
            group=group.name,
            technique=step.technique,
        )
    stacked = torch.stack(members)
    return stacked.mean(0) if choice.aggregate == "mean" else stacked.amax(0)


def _layers(group: Group, context: Context) -> Iterator[tuple[Member, Layer]]:
    for member in group.members:
        if member.module in context.base.by_name:
            yield member, context.base.by_name[member.module]


def _by_weights(member: Member, layer: Layer, step: Step, context: Context) -> Tensor:
    result: Scores = technique_result(step, start(layer, context), context)
    channels = channel_means(layer, result.ranked().double(), member.side)
    units = channels[member.indices].mean(1)
    return (units / units.mean().clamp_min(_TINY)).float()


def _by_channels(group: Group, step: Step, context: Context) -> Tensor:
    method = step.method
    given = [_OF_GROUP[name](group, context) for name in method.needs]
    own = {k: v for k, v in step.knobs if k in method.own_knobs}
    result: ChannelScores = method.function(*given, **own)
    return result.values


def _rows(group: Group, context: Context) -> Tensor:
    """What makes each unit [units, weights]: the rows of all producers side by side."""
    parts = []
    for member, layer in _layers(group, context):
        made = member.role is MemberRole.PRODUCER and member.side is Side.OUT
        if made and layer.kind is not LayerKind.EMBEDDING:
            rows = read_kernel(context.base.network, layer).flatten(1)
            parts.append(rows[member.indices].flatten(1))
    if not parts:
        raise Refused(
            "{group} has no producer with rows of its own to compare: use another criterion.",
            group=group.name,
        )
    return torch.cat(parts, dim=1)


def _norm_gain(group: Group, context: Context) -> Tensor:
    """The mean |gain| of the norms behind a unit's channels [units]."""
    gains = [
        (m, norm_gain(context.base.network, m.module)) for m in group.members if m.role is MemberRole.BETWEEN
    ]
    found = [gain.abs()[member.indices].mean(1) for member, gain in gains if gain is not None]
    if not found:
        raise Refused(
            "{group} has no batch norm with a gain of its own: use a criterion that looks at weights or "
            "activations.",
            group=group.name,
        )
    return torch.stack(found).mean(0)


def _activity(which: int) -> Callable[[Group, Context], Tensor]:
    """What the consumers of a unit read on calibration items: mean |value| or share of zeros [units]."""

    def measured(group: Group, context: Context) -> Tensor:
        read = [(m, layer) for m, layer in _layers(group, context) if m.role is MemberRole.CONSUMER]
        if not read:
            raise Refused("Nobody reads what {group} makes: use another criterion.", group=group.name)
        found = [
            supply("channel_activity", start(layer, context), None, context)[which][member.indices].mean(1)
            for member, layer in read
        ]
        return torch.stack(found).mean(0)

    return measured


_OF_GROUP: Mapping[str, Callable[[Group, Context], Any]] = {
    "rows": _rows,
    "norm_gain": _norm_gain,
    "activation_mean": _activity(0),
    "activation_zeros": _activity(1),
}
