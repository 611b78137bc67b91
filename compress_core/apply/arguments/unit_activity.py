"""What the consumers of a group's units read on calibration items."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.group_view import GroupView
from compress_core.foundation.errors import Refused
from compress_core.network.channels import Channels
from compress_core.structure.group import MemberRole


@argument(depends_on=DependsOn.ITEMS)
def activation_mean(at: GroupView) -> Tensor:
    """The mean |value| of each unit [units], over all who read it."""
    return _measured(at, lambda read: read.mean_absolute)


@argument(depends_on=DependsOn.ITEMS)
def activation_zeros(at: GroupView) -> Tensor:
    """The share of zeros of each unit [units], over all who read it."""
    return _measured(at, lambda read: read.zero_share)


def _measured(at: GroupView, told: Callable[[Channels], Tensor]) -> Tensor:
    consumers = [(member, layer) for member, layer in at.layers() if member.role is MemberRole.CONSUMER]
    if not consumers:
        raise Refused("Nobody reads what {group} makes: use another criterion.", group=at.name)
    found = [told(at.channels(layer))[member.indices].mean(1) for member, layer in consumers]
    return torch.stack(found).mean(0)
