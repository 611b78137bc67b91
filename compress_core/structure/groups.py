"""What must shrink together: coupled channels, heads, and blocks that can be left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.network.forward import (
    Course,
    Example,
    doubled,
    in_double,
    in_short,
    run_network,
    scramble,
    shuffled_example,
    tensors_in,
    watched_course,
)
from compress_core.network.layers.cut import (
    attention_names,
    is_convolution,
    is_producer,
    open_attention,
    reason_to_keep_whole,
)
from compress_core.network.layers.side import Side
from compress_core.structure.blocks import find_blocks
from compress_core.structure.coupling import CoupledUnit, Coupling, Slot, trace
from compress_core.structure.equivalence import EquivalenceCheck, equivalence_check
from compress_core.structure.equivalence_batch import checked_groups, together
from compress_core.structure.families import families, merged, unit_sizes
from compress_core.structure.group import Group, GroupKind, Member, MemberRole
from compress_core.structure.shrink import side_of

__all__ = ["Group", "Member", "find_groups"]

_SEED = 5
_MOST_STEPS = 30_000_000  # channels at places, of which a ResNet-50 has half a million


def find_groups(network: nn.Module, example: Example) -> tuple[Group, ...]:
    """All groups of a network, free or locked with the reason, in the order of their first producers.

    example: real items as the network takes them, a tensor, a tuple of arguments or a mapping of keywords.
    Every free group was tried in float64: the smaller network gave the outputs of the masked one. Every
    layer is in a group; blocks that can be left out stand at the end.
    """
    with torch.inference_mode(mode=False):
        finder = _Finder(network, example)
        return (*finder.channel_groups(), *finder.blocks())


class _Finder:
    """One search: private copies of the network, and what one pass showed."""

    def __init__(self, network: nn.Module, example: Example) -> None:
        self.network = in_double(network)
        for name in attention_names(self.network):
            with suppress(Refused):  # the rarer variants stay whole: `reason_to_keep_whole` says so
                open_attention(self.network, (name,))
        self.example = doubled(example)
        other = shuffled_example(self.example, torch.Generator().manual_seed(_SEED))
        self.check = equivalence_check(scramble(in_double(self.network)), other, self.example)
        self.shared = _shared_modules(self.network)
        self.course = Course({}, depends_on_values=False)
        self.coupling = Coupling((), (), frozenset())

    def channel_groups(self) -> tuple[Group, ...]:
        """Coupled channels; a layer that the trace did not reach is a locked group of its own."""
        unreached: str = N_("the trace did not reach it: it did not run, or its gradient is cut off")
        try:
            self.course = watched_course(self.network, self.example)
            self.coupling = trace(
                in_double(self.network), lambda n: tensors_in(run_network(n, self.example)), _MOST_STEPS
            )
        except Exception as error:  # noqa: BLE001 - neither the network nor the library is ours
            unreached = Phrase("the network could not be traced ({error})", error=in_short(error))
        found = _named_apart(self._free_or_locked())
        reached = {name for group in found for name in group.producers}
        found += [self._whole(name, unreached) for name in self._producers() if name not in reached]
        order = {name: index for index, (name, _) in enumerate(self.network.named_modules())}
        return tuple(sorted(found, key=lambda group: order[group.producers[0]]))

    def blocks(self) -> tuple[Group, ...]:
        """Residual blocks; one that the network cannot run without is locked."""
        if self.course.depends_on_values or not self.course.calls:
            return ()
        found = [Group(name, GroupKind.BLOCK, 1) for name in find_blocks(self.network, self.example)]
        locked = checked_groups(EquivalenceCheck(self.network, self.example), found)
        return tuple(replace(group, locked=reason) for group, reason in zip(found, locked, strict=True))

    def _producers(self) -> Iterator[str]:
        return (name for name, module in self.network.named_modules() if is_producer(module))

    def _whole(self, name: str, reason: str) -> Group:
        """A locked group of one layer of which nothing more is known than its width."""
        width = side_of(self.network, name, Side.OUT) or 1
        member = Member(name, Side.OUT, torch.arange(width)[:, None], width, MemberRole.PRODUCER)
        locked = reason_to_keep_whole(self._module(name)) or reason
        return Group(name, self._kind(member, alone=True), width, (member,), (), locked)

    def _free_or_locked(self) -> list[Group]:
        """All that the trace found: unit by unit where that holds, else several units as one."""
        found = families(self.coupling.units)
        groups = [[self._group(units) for units in family] for family in found]
        locked = self._verdicts([group for family in groups for group in family])
        chosen: list[Group] = []
        for units, family in zip(found, groups, strict=True):
            apart = [replace(group, locked=locked[group]) for group in family]
            larger = self._of_larger_units([unit for alike in units for unit in alike], apart)
            chosen += apart if larger is None else [larger]
        all_at_once = not any(reason for group, reason in locked.items() if group.consumers)
        return chosen if all_at_once else together(self.check, chosen)

    def _verdicts(self, groups: Sequence[Group]) -> dict[Group, str | None]:
        """Why each group is locked; those that nobody reads are tried alone, they give the answers."""
        locked = {group: self._sure_reason(group) for group in groups}
        open_ones = [group for group in groups if locked[group] is None]
        for group in open_ones:
            if not group.consumers:
                locked |= zip([group], checked_groups(self.check, [group]), strict=True)
        read = [group for group in open_ones if group.consumers]
        return locked | dict(zip(read, checked_groups(self.check, read), strict=True))

    def _of_larger_units(self, units: Sequence[CoupledUnit], apart: Sequence[Group]) -> Group | None:
        """Heads, or the channels of a norm's group, where single units do not hold; None if nothing does."""
        held = not any(group.locked and group.consumers for group in apart)
        if held or any(map(self._sure_reason, apart)):
            return None
        modules = [member.module for member in apart[0].members if member.side is not Side.OWN]
        for size, neighbors in unit_sizes(self.network, modules, len(units)):
            alike = merged(units, size, neighbors=neighbors)
            tried = None if alike is None else self._group(alike)
            if tried is not None and checked_groups(self.check, [tried]) == [None]:
                heads = neighbors and not is_convolution(self._module(tried.name))
                return replace(tried, kind=GroupKind.HEADS if heads else tried.kind)
        return None

    def _module(self, name: str) -> nn.Module:
        return self.network.get_submodule(name)

    def _group(self, units: Sequence[CoupledUnit]) -> Group:
        equal: dict[tuple[tuple[int, ...], ...], Tensor] = {}
        members = tuple(self._member(slot, units, equal) for slot in sorted(units[0]))
        modules = {member.module for member in members}
        edges = sorted({edge for edge in self.coupling.edges if modules.issuperset(edge)})
        producers = [member for member in members if member.role is MemberRole.PRODUCER]
        kind = self._kind(producers[0], alone=len(producers) == 1)
        return Group(producers[0].module, kind, len(units), members, tuple(edges))

    def _member(
        self, slot: Slot, units: Sequence[CoupledUnit], equal: dict[tuple[tuple[int, ...], ...], Tensor]
    ) -> Member:
        role = MemberRole.CONSUMER if slot.side is Side.IN else MemberRole.BETWEEN
        if slot.side is Side.OUT and is_producer(self._module(slot.module)):
            role = MemberRole.PRODUCER
        width = side_of(self.network, slot.module, slot.side)
        assert width is not None
        indices = tuple(unit[slot] for unit in units)
        return Member(slot.module, slot.side, equal.setdefault(indices, torch.tensor(indices)), width, role)

    def _kind(self, producer: Member, *, alone: bool) -> GroupKind:
        if not alone:
            return GroupKind.CHANNELS
        filters = is_convolution(self._module(producer.module))
        return GroupKind.FILTERS if filters else GroupKind.NEURONS

    def _sure_reason(self, group: Group) -> str | None:
        """What locks a group whatever the numbers say."""
        if group.units < 2:
            return N_("it has one unit only, and one must stay")
        if self.course.depends_on_values:
            return N_(
                "the values of an item choose the network's course, so one trace does not speak for all"
            )
        for member in group.members:
            reason = self._reason_of(member)
            if reason is not None and member.module != group.name:
                return Phrase("{module}: {reason}", module=member.module, reason=reason)
            if reason is not None:
                return reason
        return self._reason_of_the_walk(group)

    def _reason_of_the_walk(self, group: Group) -> str | None:
        if any(_is_in(group, slot) for slot in self.coupling.undecided):
            return Phrase(
                "it was not decided what hangs together with it: {steps} steps did not suffice to follow it",
                steps=f"{_MOST_STEPS:,}",
            )
        strays = sorted(slot for slot in self.coupling.strays if _is_in(group, slot))
        if strays:
            return Phrase(
                "the channels of {module} are split, joined or gated in a way that cannot be followed",
                module=strays[0].module,
            )
        return None

    def _reason_of(self, member: Member) -> str | None:
        owner = member.module.rpartition(".")[0] if member.side is Side.OWN else member.module
        reason = reason_to_keep_whole(self._module(owner))
        if reason is None and (member.module in self.shared or self.course.calls.get(owner, 0) > 1):
            return N_("its weight is used in several places")
        return reason


def _is_in(group: Group, slot: Slot) -> bool:
    return any((member.module, member.side) == (slot.module, slot.side) for member in group.members)


def _shared_modules(network: nn.Module) -> frozenset[str]:
    """Modules and bare parameters that hold a tensor which another module holds too."""
    places: defaultdict[int, list[str]] = defaultdict(list)
    for owner, module in network.named_modules():
        for name, values in module.named_parameters(recurse=False, remove_duplicate=False):
            places[id(values)] += [owner, f"{owner}.{name}".lstrip(".")]
    return frozenset(name for held in places.values() if len(held) > 2 for name in held)


def _named_apart(groups: Sequence[Group]) -> list[Group]:
    """A second group that begins at the same layer gets a number."""
    seen: defaultdict[str, int] = defaultdict(int)
    named = []
    for group in groups:
        seen[group.name] += 1
        number = seen[group.name]
        named.append(group if number == 1 else replace(group, name=f"{group.name}#{number}"))
    return named
