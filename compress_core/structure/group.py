"""A group: what must go together, as data from which cuts follow at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from compress_core.structure.shrink import ChannelCut

BLOCK = "block"


@dataclass(frozen=True, eq=False)
class Member:
    """One side of a module that a group cuts.

    side: "out", "in" or "own" (a bare parameter); indices [units, r]: which of the side's `width`
    channels belong to each unit, one tensor for all members of which it is true; role: producer, between
    (a norm, a bare parameter) or consumer.
    """

    module: str
    side: str
    indices: Tensor
    width: int
    role: str

    def kept(self, lost: Tensor) -> Tensor:
        """The channels that stay, sorted; lost is a mask [units]."""
        kept = torch.ones(self.width, dtype=torch.bool)
        kept.index_fill_(0, self.indices[lost].flatten(), value=False)
        return kept.nonzero().flatten()


@dataclass(frozen=True, eq=False)
class Group:
    """Channels, neurons or heads that must go together, or a block that can be left out.

    name: its first producer; kind: filters (of one convolution), channels (of several layers), neurons,
    heads or block; units: how many can be taken away one at a time, where one must stay unless it is a
    block; edges: which member hands channels to which; locked: why nothing can go, None where it can.
    """

    name: str
    kind: str
    units: int
    members: tuple[Member, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    locked: str | None = None

    def cuts(self, kept_units: Tensor) -> tuple[ChannelCut, ...]:
        """What each member keeps; kept_units is a mask [units] or the indices of those that stay."""
        if self.kind == BLOCK:
            return ()
        lost = ~self._mask(kept_units)
        kept = {(id(m.indices), m.width): m for m in self.members}
        channels = {key: member.kept(lost) for key, member in kept.items()}
        return tuple(ChannelCut(m.module, m.side, channels[id(m.indices), m.width]) for m in self.members)

    def dropped(self, kept_units: Tensor) -> tuple[str, ...]:
        """The block's name where its only unit goes."""
        return (self.name,) if self.kind == BLOCK and not bool(self._mask(kept_units).any()) else ()

    @cached_property
    def producers(self) -> tuple[str, ...]:
        """The modules that make these channels; they are coupled because what they make is added."""
        return tuple(m.module for m in self.members if m.role == "producer")

    @cached_property
    def consumers(self) -> tuple[str, ...]:
        return tuple(m.module for m in self.members if m.role == "consumer")

    def _mask(self, kept_units: Tensor) -> Tensor:
        if kept_units.dtype == torch.bool:
            return kept_units
        return torch.zeros(self.units, dtype=torch.bool).index_fill_(0, kept_units, value=True)
