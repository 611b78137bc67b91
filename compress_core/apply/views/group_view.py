"""Where criteria for coupled groups stand: at all layers that share the units of a group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from compress_core.apply.argument import ArgumentView, DependsOn
from compress_core.apply.context import Context, calibration_key, refuse_broken
from compress_core.foundation.store import digest
from compress_core.network.channels import Channels, channels_read
from compress_core.network.layers.cut import read_norm_gain
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_kernel
from compress_core.structure.group import Group, Member
from compress_core.techniques.contract.results import ChannelScores


@dataclass(frozen=True)
class GroupView(ArgumentView):
    """A group of the base; weights are those that the base has."""

    results: ClassVar[tuple[type, ...]] = (ChannelScores,)

    _group: Group
    _context: Context

    @property
    def name(self) -> str:
        return self._group.name

    @property
    def members(self) -> tuple[Member, ...]:
        return self._group.members

    def layers(self) -> Iterator[tuple[Member, Layer]]:
        """The members that have a weight, with its layer."""
        return members_with_layers(self._group, self._context)

    def kernel(self, layer: Layer) -> Tensor:
        """The weight of a layer [out, in, *k]."""
        self._look(DependsOn.WEIGHT)
        return read_kernel(self._context.base.network, layer)

    def norm_gain(self, module: str) -> Tensor | None:
        """The gain of a norm [channels]; None for another module, and for a norm without one."""
        self._look(DependsOn.WEIGHT)
        return read_norm_gain(self._context.base.network, module)

    def channels(self, layer: Layer) -> Channels:
        """What the channels that a layer reads do on calibration items; all layers in one pass."""
        self._look(DependsOn.ITEMS)
        context, base = self._context, self._context.base
        refuse_broken(layer, base)
        read = context.store.get(
            digest("channels", base.key, *calibration_key(base, self.argument.depends_on)),
            lambda: channels_read(context.network(), [x.name for x in base.layers], context.items()[0]),
            lambda made: made.nbytes,
        )
        return read.of(layer.name)


def members_with_layers(group: Group, context: Context) -> Iterator[tuple[Member, Layer]]:
    """The members of a group that have a weight, with its layer."""
    for member in group.members:
        if member.module in context.base.by_name:
            yield member, context.base.by_name[member.module]
