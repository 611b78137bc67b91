"""What locks a group whatever the numbers say."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from compress_core.foundation.texts import N_, Phrase
from compress_core.network.course import Course
from compress_core.network.layers.cut import reason_to_keep_whole
from compress_core.structure.coupling import Coupling, Slot
from compress_core.structure.group import Group, Member


@dataclass(frozen=True, eq=False)
class SureLocks:
    """What is known of a network once it was traced."""

    network: nn.Module
    course: Course
    coupling: Coupling
    steps: int

    def reason(self, group: Group) -> str | None:
        """Why a group is locked; None where the numbers may decide."""
        return self.reason_of_its_members(group) or self.reason_of_the_walk(group)

    def reason_of_its_members(self, group: Group) -> str | None:
        """What lies in the modules, or in the course that the network took."""
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
        return None

    def reason_of_the_walk(self, group: Group) -> str | None:
        """What lies in the way that its channels take."""
        if self.is_undecided(group):
            return Phrase(
                "it was not decided what hangs together with it: {steps} steps did not suffice to follow it",
                steps=f"{self.steps:,}",
            )
        strays = sorted(slot for slot in self.coupling.strays if _is_in(group, slot))
        if strays:
            return Phrase(
                "the channels of {module} are split, joined or gated in a way that cannot be followed",
                module=strays[0].module,
            )
        return None

    def is_undecided(self, group: Group) -> bool:
        """Whether the walk did not come to its end."""
        return any(_is_in(group, slot) for slot in self.coupling.undecided)

    def _reason_of(self, member: Member) -> str | None:
        owner = member.module.rpartition(".")[0] if member.side.is_of_owner else member.module
        reason = reason_to_keep_whole(self.network.get_submodule(owner))
        if reason is None and (member.module in self._shared or self.course.calls.get(owner, 0) > 1):
            return N_("its weight is used in several places")
        return reason

    @cached_property
    def _shared(self) -> frozenset[str]:
        """Modules and bare parameters that hold a tensor which another module holds too."""
        places: defaultdict[int, list[str]] = defaultdict(list)
        for owner, module in self.network.named_modules():
            for name, values in module.named_parameters(recurse=False, remove_duplicate=False):
                places[id(values)] += [owner, f"{owner}.{name}".lstrip(".")]
        return frozenset(name for held in places.values() if len(held) > 2 for name in held)


def _is_in(group: Group, slot: Slot) -> bool:
    return any((member.module, member.side) == (slot.module, slot.side) for member in group.members)
