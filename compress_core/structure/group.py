"""A group: what must go together, as data from which cuts follow at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

import torch
from torch import Tensor

from compress_core.foundation.cached import cached_property
from compress_core.foundation.texts import N_, Phrase
from compress_core.network.layers.side import Side
from compress_core.structure.shrink import ChannelCut


class GroupKind(Enum):
    """What the units of a group are; of a convolution alone, filters, and channels of several layers."""

    FILTERS = N_("filters")
    CHANNELS = N_("channels")
    NEURONS = N_("neurons")
    HEADS = N_("heads")
    BLOCK = N_("block")

    @property
    def label(self) -> str:
        """What they are called: words to show, a phrase that can be translated."""
        return Phrase(self.value)


class MemberRole(StrEnum):
    """What a module does with a group's channels: it makes them, passes them on (a norm), or reads them."""

    PRODUCER = "producer"
    BETWEEN = "between"
    CONSUMER = "consumer"


@dataclass(frozen=True, eq=False)
class Member:
    """One side of a module that a group cuts.

    indices [units, r]: which of the side's `width` channels belong to each unit, one tensor for all
    members of which it is true.
    """

    module: str
    side: Side
    indices: Tensor
    width: int
    role: MemberRole

    def kept(self, lost: Tensor) -> Tensor:
        """The channels that stay, sorted; lost is a mask [units]."""
        kept = torch.ones(self.width, dtype=torch.bool)
        kept.index_fill_(0, self.indices[lost].flatten(), value=False)
        return kept.nonzero().flatten()


@dataclass(frozen=True, eq=False)
class Group:
    """Channels, neurons or heads that must go together, or a block that can be left out.

    name: its first producer; units: how many can be taken away one at a time, where one must stay
    unless it is a block; edges: which member hands channels to which; locked: why nothing can go, None
    where it can.
    """

    name: str
    kind: GroupKind
    units: int
    members: tuple[Member, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    locked: str | None = None

    def cuts(self, kept_units: Tensor) -> tuple[ChannelCut, ...]:
        """What each member keeps; kept_units is a mask [units] or the indices of those that stay."""
        if self.kind is GroupKind.BLOCK:
            return ()
        lost = ~self._mask(kept_units)
        kept = {(id(m.indices), m.width): m for m in self.members}
        channels = {key: member.kept(lost) for key, member in kept.items()}
        return tuple(ChannelCut(m.module, m.side, channels[id(m.indices), m.width]) for m in self.members)

    def dropped(self, kept_units: Tensor) -> tuple[str, ...]:
        """The block's name where its only unit goes; kept_units [n], the units that stay."""
        return (self.name,) if self.kind is GroupKind.BLOCK and not bool(self._mask(kept_units).any()) else ()

    @cached_property
    def producers(self) -> tuple[str, ...]:
        """The modules that make these channels; they are coupled because what they make is added."""
        return tuple(m.module for m in self.members if m.role is MemberRole.PRODUCER)

    @cached_property
    def consumers(self) -> tuple[str, ...]:
        return tuple(m.module for m in self.members if m.role is MemberRole.CONSUMER)

    @cached_property
    def shrinking(self) -> frozenset[str]:
        """The modules, and bare parameters, that get smaller; not the numbers that count their units."""
        return frozenset(m.module for m in self.members if m.side is not Side.NUMBER)

    def _mask(self, kept_units: Tensor) -> Tensor:
        if kept_units.dtype == torch.bool:
            return kept_units
        return torch.zeros(self.units, dtype=torch.bool).index_fill_(0, kept_units, value=True)
