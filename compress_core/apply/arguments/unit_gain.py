"""How strongly norms pass the units of a group on."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.group_view import GroupView
from compress_core.foundation.errors import Refused
from compress_core.structure.group import MemberRole


@argument(depends_on=DependsOn.WEIGHT)
def norm_gain(at: GroupView) -> Tensor:
    """The mean |gain| of the norms behind a unit's channels [units]."""
    gains = [(m, at.norm_gain(m.module)) for m in at.members if m.role is MemberRole.BETWEEN]
    found = [gain.abs()[member.indices].mean(1) for member, gain in gains if gain is not None]
    if not found:
        raise Refused(
            "{group} has no batch norm with a gain of its own: use a criterion that looks at weights or "
            "activations.",
            group=at.name,
        )
    return torch.stack(found).mean(0)
