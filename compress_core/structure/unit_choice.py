"""In which units groups go: single channels, larger units where those fail, layers around one reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from torch import nn

from compress_core.network.layers.cut import is_convolution, is_producer
from compress_core.network.layers.side import Side
from compress_core.structure.coupling import CoupledUnit, Coupling, Slot
from compress_core.structure.families import families
from compress_core.structure.group import Group
from compress_core.structure.group_building import GroupBuilder
from compress_core.structure.larger_units import LargerUnits
from compress_core.structure.shrink import side_of
from compress_core.structure.sure_locks import SureLocks
from compress_core.structure.verdicts import Verdicts


@dataclass(frozen=True, eq=False)
class UnitChoice:
    """What a trace proposes: families of units, and a group of each with what surely locks it.

    whole: the layers of groups for which no other units are to be tried.
    """

    network: nn.Module
    coupling: Coupling
    builder: GroupBuilder
    units: Sequence[Sequence[Sequence[CoupledUnit]]]
    apart: Sequence[Sequence[Group]]
    sure: Mapping[Group, str | None]
    whole: frozenset[str]

    @classmethod
    def of(
        cls, network: nn.Module, coupling: Coupling, builder: GroupBuilder, locks: SureLocks
    ) -> UnitChoice:
        units = families(coupling.units)
        apart = [[builder.group(alike) for alike in family] for family in units]
        groups = [group for family in apart for group in family]
        kept = [g for g in groups if locks.reason_of_its_members(g) or locks.is_undecided(g)]
        whole = {name for group in kept for name in group.producers}
        sure = {group: locks.reason(group) for group in groups}
        return cls(network, coupling, builder, units, apart, sure, frozenset(whole))

    def made(self, locked: Mapping[Group, str | None], verdicts: Verdicts, *, by_kinds: bool) -> list[Group]:
        """The groups, those locked with the reason; larger units where single ones do not hold."""
        larger = LargerUnits(self.network, self.builder, verdicts, by_kinds)
        chosen: list[Group] = []
        for units, family in zip(self.units, self.apart, strict=True):
            failed = any(locked[group] and group.consumers for group in family)
            may_be = failed and not any(self.sure[group] for group in family)
            one = larger.merged([unit for alike in units for unit in alike], family) if may_be else None
            chosen += [_with(g, locked[g]) for g in family] if one is None else [one]
        return self._with_bundles(chosen, larger)

    def _with_bundles(self, groups: Sequence[Group], larger: LargerUnits) -> list[Group]:
        """Layers with one common reader as equal parts, where what the trace says of them does not hold."""
        found = list(groups)
        order = {name: index for index, (name, _) in enumerate(self.network.named_modules())}
        free = {name for group in groups if group.locked is None for name in group.producers}
        locked = order.keys() - free - self.whole
        for *makers, reader in bundles(self.network, self.coupling.edges, locked):
            into = Slot(order[reader], reader, Side.IN)
            for part in (makers, self._as_wide(makers, into)):  # keys and values may serve all heads
                slots = [Slot(order[name], name, Side.OUT) for name in part]
                parted = larger.parted([*slots, into]) if slots else None
                if parted is not None:
                    found = [*self._without(found, part), parted]
                    break
        return found

    def _without(self, groups: Sequence[Group], names: Sequence[str]) -> list[Group]:
        """The groups that hold none of these layers; what was locked with one of them stays locked alone."""
        left = [group for group in groups if set(names).isdisjoint(group.producers)]
        there = {*names, *(name for group in left for name in group.producers)}
        lost = {n: group.locked or "" for group in groups for n in group.producers if n not in there}
        return left + [self.builder.whole(name, reason) for name, reason in lost.items()]

    def _as_wide(self, makers: Sequence[str], into: Slot) -> list[str]:
        """Those that make as many channels as a side takes."""
        width = side_of(self.network, into.module, into.side)
        return [name for name in makers if side_of(self.network, name, Side.OUT) == width]


def _with(group: Group, locked: str | None) -> Group:
    return group if group.locked == locked else replace(group, locked=locked)


def bundles(
    network: nn.Module, edges: Sequence[tuple[str, str]], locked: AbstractSet[str]
) -> Iterator[list[str]]:
    """Layers that one reader alone reads, and it at the end: what may be attention. All makers are locked."""
    names = {name: is_producer(module) for name, module in network.named_modules()}
    for reader in dict.fromkeys(end for _, end in edges):
        if names.get(reader) and not is_convolution(network.get_submodule(reader)):
            makers = sorted(_through(reader, [(b, a) for a, b in edges], names), key=list(names).index)
            alone = all(_through(maker, edges, names) == {reader} for maker in makers)
            if makers and alone and set(makers) <= locked:
                yield [*makers, reader]


def _through(start: str, edges: Sequence[tuple[str, str]], makes: dict[str, bool]) -> set[str]:
    """The layers next to one along edges, through norms and the like."""
    found, waiting, passed = set(), [start], {start}
    while waiting:
        here = waiting.pop()
        for end in (b for a, b in edges if a == here and b not in passed):
            passed.add(end)
            if makes.get(end):
                found.add(end)
            else:
                waiting.append(end)
    return found
