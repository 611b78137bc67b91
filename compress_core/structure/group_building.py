"""Groups made of coupled units: who makes, passes on and reads the channels of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from compress_core.network.layers.cut import is_convolution, is_producer
from compress_core.network.layers.side import Side
from compress_core.structure.coupling import CoupledUnit, Slot
from compress_core.structure.group import Group, GroupKind, Member, MemberRole
from compress_core.structure.shrink import side_of


@dataclass(frozen=True, eq=False)
class GroupBuilder:
    """Makes groups of one network; edges: which module hands channels to which."""

    network: nn.Module
    edges: Sequence[tuple[str, str]] = ()

    def group(self, units: Sequence[CoupledUnit]) -> Group:
        """A group of units that are alike."""
        equal: dict[tuple[tuple[int, ...], ...], Tensor] = {}
        members = tuple(self._member(slot, units, equal) for slot in sorted(units[0]))
        modules = {member.module for member in members}
        edges = sorted({edge for edge in self.edges if modules.issuperset(edge)})
        producers = [member for member in members if member.role is MemberRole.PRODUCER]
        kind = self._kind(producers[0].module, alone=len(producers) == 1)
        return Group(producers[0].module, kind, len(units), members, tuple(edges))

    def whole(self, name: str, reason: str) -> Group:
        """A locked group of one layer of which nothing more is known than its width."""
        width = side_of(self.network, name, Side.OUT) or 1
        member = Member(name, Side.OUT, torch.arange(width)[:, None], width, MemberRole.PRODUCER)
        return Group(name, self._kind(name, alone=True), width, (member,), (), reason)

    def _member(
        self, slot: Slot, units: Sequence[CoupledUnit], equal: dict[tuple[tuple[int, ...], ...], Tensor]
    ) -> Member:
        role = MemberRole.CONSUMER if slot.side is Side.IN else MemberRole.BETWEEN
        if slot.side is Side.OUT and is_producer(self.network.get_submodule(slot.module)):
            role = MemberRole.PRODUCER
        width = side_of(self.network, slot.module, slot.side)
        assert width is not None
        indices = tuple(unit[slot] for unit in units)
        return Member(slot.module, slot.side, equal.setdefault(indices, torch.tensor(indices)), width, role)

    def _kind(self, producer: str, *, alone: bool) -> GroupKind:
        if not alone:
            return GroupKind.CHANNELS
        filters = is_convolution(self.network.get_submodule(producer))
        return GroupKind.FILTERS if filters else GroupKind.NEURONS


def named_apart(groups: Sequence[Group]) -> list[Group]:
    """A second group that begins at the same layer gets a number."""
    seen: defaultdict[str, int] = defaultdict(int)
    named = []
    for group in groups:
        seen[group.name] += 1
        number = seen[group.name]
        named.append(group if number == 1 else replace(group, name=f"{group.name}#{number}"))
    return named
