"""What makes the units of a group."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.group_view import GroupView
from compress_core.foundation.errors import Refused
from compress_core.network.layers.kinds import LayerKind
from compress_core.network.layers.side import Side
from compress_core.structure.group import MemberRole


@argument(depends_on=DependsOn.WEIGHT)
def rows(at: GroupView) -> Tensor:
    """What makes each unit [units, weights]: the rows of all producers side by side."""
    parts = []
    for member, layer in at.layers():
        made = member.role is MemberRole.PRODUCER and member.side is Side.OUT
        if made and layer.kind is not LayerKind.EMBEDDING:
            parts.append(at.kernel(layer).flatten(1)[member.indices].flatten(1))
    if not parts:
        raise Refused(
            "{group} has no producer with rows of its own to compare: use another criterion.",
            group=at.name,
        )
    return torch.cat(parts, dim=1)
