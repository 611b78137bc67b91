"""How much each unit of a coupled group matters: one score from all layers that share it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from compress_core.apply.argument import result_at
from compress_core.apply.context import Context, items_behind, refuse_unordered, start
from compress_core.apply.views.group_view import GroupView, members_with_layers
from compress_core.apply.views.weight_view import technique_result
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import digest
from compress_core.network.layers.cut import channel_sums, read_norm_gain
from compress_core.recipe.values import Step
from compress_core.selection.group_selection import GroupSelection
from compress_core.selection.scores import Scores
from compress_core.structure.group import Group, MemberRole
from compress_core.techniques.contract.results import ChannelScores

_TINY = torch.finfo(torch.float64).tiny


def unit_scores(group: Group, step: Step, context: Context) -> Tensor:
    """Scores [units] of a group by a criterion, higher stays; kept by what they were made of.

    A criterion for weights adds up over each unit's share of a layer, the squares of sizes or the scores
    themselves, is put together over producers and consumers as `aggregate` says, and brought to a mean of 1.
    Where weights are their own scores, gains of norms are weights too. Raises Refused.
    """
    choice = step.knobs
    assert isinstance(choice, GroupSelection)
    own = {k: v for k, v in step.knobs if k in step.method.own_knobs}
    aggregate = choice.aggregate if step.method.is_criterion else ""
    items = items_behind(context.base, [step])
    made_of = (context.base.key, group.name, step.technique, sorted(own.items()), aggregate)
    key = digest("units", *made_of, *items)

    def make() -> Tensor:
        made = _scored(group, step, choice, context)
        refuse_unordered(made, group.name, step)
        return made

    return context.store.get(key, make, lambda s: s.nbytes)


def _scored(group: Group, step: Step, choice: GroupSelection, context: Context) -> Tensor:
    if not step.method.is_criterion:
        result: ChannelScores = result_at(step, lambda asked: GroupView(asked, group, context))
        return result.values
    members = _by_weights(group, step, context)
    if not members:
        raise Refused(
            "{group} has no layer whose weights {technique} could score: choose a criterion for groups.",
            group=group.name,
            technique=step.technique,
        )
    stacked = torch.stack(members)
    units = stacked.mean(0) if choice.aggregate == "mean" else stacked.amax(0)
    return (units / units.mean().clamp_min(_TINY)).float()


def _by_weights(group: Group, step: Step, context: Context) -> list[Tensor]:
    """What a criterion for weights says of each unit, for every layer that makes or reads it [units]."""
    found, sizes = [], False
    for member, layer in members_with_layers(group, context):
        result: Scores = technique_result(step, start(layer, context), context)
        sizes = sizes or result.absolute
        found.append(channel_sums(layer, result.powers(), member.side)[member.indices].sum(1))
    return found + (list(_gains(group, context)) if sizes else [])


def _gains(group: Group, context: Context) -> Iterator[Tensor]:
    """The squared gains of the norms between, added up over each unit [units]."""
    for member in group.members:
        if member.role is MemberRole.BETWEEN:
            gain = read_norm_gain(context.base.network, member.module)
            if gain is not None:
                yield gain.double().square()[member.indices].sum(1)
