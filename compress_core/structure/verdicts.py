"""Which groups may lose units, decided by numbers: all at once, or else each where it lies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from torch import nn

from compress_core.foundation.texts import N_
from compress_core.network.course import Course
from compress_core.structure.equivalence import ANSWER, EquivalenceCheck, can_be_compared
from compress_core.structure.equivalence_batch import UnitCounts, checked_groups, joint_failure
from compress_core.structure.group import Group
from compress_core.structure.kinds_of_groups import by_kinds
from compress_core.structure.local_checks import Notes, charging, module_around
from compress_core.structure.search_limits import Spent


@dataclass(eq=False)
class Verdicts:
    """The checks of one search: of the whole network, and of the modules in which something failed.

    whole: with random inputs; real: with real ones, for networks that do not take any; most_bytes: how much
    of what reaches modules may be noted; counts: how many units are to stay where all are tried at once;
    parts: into how many parts all are divided then, since the weights of the smaller network are all its own.
    """

    whole: EquivalenceCheck
    real: EquivalenceCheck
    course: Course
    spent: Spent
    most_bytes: int
    counts: UnitCounts
    parts: int
    local: dict[str, EquivalenceCheck] = field(default_factory=dict)

    def all_at_once(self, groups: Sequence[Group]) -> bool:
        """Whether groups hold together, which proves each of them; together with those of its part."""
        if self._hold(groups):
            return True
        if self.whole is self.real or self._noted({self._place(group) for group in groups}):
            return False
        self.whole = self.real
        self.local.clear()
        return self._hold(groups)

    def _hold(self, groups: Sequence[Group]) -> bool:
        parts = filter(None, (groups[start :: self.parts] for start in range(self.parts)))
        proofs = [(part, count) for part in parts for count in self.counts]
        for number, (part, count) in enumerate(proofs):
            self.spent.say(N_("whether all hold together"), number / len(proofs))
            if joint_failure(self.whole, part, (count,)) is not None:
                return False
        return True

    def apart(self, groups: Sequence[Group]) -> dict[Group, str | None]:
        """Why each group cannot lose units, tried within the innermost module around it."""
        places: defaultdict[str, list[Group]] = defaultdict(list)
        for group in groups:
            places[self._place(group)].append(group)
        if places.keys() - {""}:
            self._noted(places.keys())
        found: dict[Group, str | None] = {}
        for name, here in places.items():
            self.spent.say(N_("some of them by themselves"))
            check = self.local.get(name, self.whole)
            found |= zip(here, checked_groups(check, here), strict=True)
            if check is not self.whole:  # what a module answers may be no answer of the network
                leaving = [group for group in here if found[group] == ANSWER]
                found |= zip(leaving, checked_groups(self.whole, leaving), strict=True)
        return found

    def by_kinds(self, network: nn.Module, groups: Sequence[Group]) -> dict[Group, str | None]:
        """What is likely true of groups, tried on two of each kind.

        Those that only the whole network can try are taken to be free if others are to blame: it proves
        nothing, so whoever relies on it tries all that it calls free at once.
        """
        within = [group for group in groups if self._place(group)]
        others = [group for group in groups if not self._place(group)]
        found = by_kinds(network, within, self.apart)
        to_blame = any(reason is not None for reason in found.values())
        return found | (dict.fromkeys(others) if to_blame else by_kinds(network, others, self.apart))

    def _place(self, group: Group) -> str:
        return module_around(group, self.course) if group.consumers else ""

    def _noted(self, names: AbstractSet[str]) -> bool:
        """Prepare checks for modules that have none yet; whether the network answers as it should."""
        new = names - self.local.keys() - {""}
        if (self.local and not new) or self.whole.charged(1) is not None:
            return True
        notes = Notes(self.most_bytes)
        try:
            answers = notes.of(self.whole.network, self.whole.example, new)
        except Exception:  # noqa: BLE001 - random numbers may be none that this network takes
            return False
        for name, given in notes.given.items():
            charged = charging(self.spent, self.course.cost(name))
            module = self.whole.network.get_submodule(name)
            self.local[name] = EquivalenceCheck(module, given, f"{name}.", charged)
        self.most_bytes = notes.left
        return all(map(can_be_compared, answers))
