"""What each layer of a group has of every unit."""

from __future__ import annotations

from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.group_view import GroupView
from compress_core.foundation.errors import Refused
from compress_core.network.layers.cut import channel_rows


@argument(depends_on=DependsOn.WEIGHT)
def unit_weights(at: GroupView) -> tuple[Tensor, ...]:
    """The weights that make and read each unit [units, weights], for every layer of the group."""
    found = [
        channel_rows(layer, at.kernel(layer), member.side)[member.indices].flatten(1)
        for member, layer in at.layers()
    ]
    if not found:
        raise Refused(
            "{group} has no layer with weights of its own to compare: use another criterion.",
            group=at.name,
        )
    return tuple(found)
