"""What a link hides and locks: so that a class works on one thing at a time.

A help for teaching and no security: whoever follows such a link can leave its limits with one press.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from compress_core.foundation.texts import N_
from dashboard.shared_choice import SharedChoice

MOST_CHARACTERS = 4000
BETWEEN = ","


@dataclass(frozen=True)
class LimitedControl:
    """A control that a link may limit: what it is called, whether it can be hidden, and whether locked."""

    title: str
    hides: bool
    locks: bool


LESSON_CONTROLS: Mapping[str, LimitedControl] = MappingProxyType(
    {
        "knob": LimitedControl(N_("Knob of the lesson"), hides=False, locks=True),
        "why": LimitedControl(N_("Why, and a surprise"), hides=True, locks=False),
        "exercise": LimitedControl(N_("Exercise"), hides=True, locks=False),
        "quiz": LimitedControl(N_("Three questions"), hides=True, locks=False),
    }
)
TUNE_CONTROLS: Mapping[str, LimitedControl] = MappingProxyType(
    {
        "prune": LimitedControl(N_("Prune"), hides=True, locks=True),
        "rank": LimitedControl(N_("Rank"), hides=True, locks=True),
        "bits": LimitedControl(N_("Bits"), hides=True, locks=True),
        "tabs": LimitedControl(N_("Tabs at the foot of the page"), hides=True, locks=False),
    }
)
CONTROLS: Mapping[str, LimitedControl] = MappingProxyType({**LESSON_CONTROLS, **TUNE_CONTROLS})


@dataclass(frozen=True)
class LinkLimits:
    """Controls that are not shown, controls that are shown and cannot be moved, and the layers left free.

    free: empty where a link says nothing of layers, so that all are. unknown: what a link named in vain.
    """

    hidden: frozenset[str] = frozenset()
    locked: frozenset[str] = frozenset()
    free: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()

    def held(self, layers: Collection[str]) -> frozenset[str]:
        """The layers of a model that a link locks; none where it names none of them."""
        known = self.free & {*layers}
        return frozenset(layers) - known if known else frozenset()

    def said(self) -> dict[str, str]:
        """What a link says of them."""
        return {
            name: BETWEEN.join(sorted(names))
            for name, names in (("hide", self.hidden), ("lock", self.locked), ("free", self.free))
        }


def read_limits(hide: str, lock: str, free: str) -> LinkLimits:
    """The limits that a link says; names that nothing bears are passed over and told."""
    hidden, locked = [*_names(hide)], [*_names(lock)]
    hides = frozenset(name for name in hidden if name in CONTROLS and CONTROLS[name].hides)
    locks = frozenset(name for name in locked if name in CONTROLS and CONTROLS[name].locks)
    unknown = dict.fromkeys([*(n for n in hidden if n not in hides), *(n for n in locked if n not in locks)])
    return LinkLimits(hides, locks - hides, frozenset(_names(free)), tuple(unknown))


def _names(text: str) -> Iterator[str]:
    return (name for part in text.split(BETWEEN) if (name := part.strip()))


def _bounded(text: str) -> str | None:
    return text if len(text) <= MOST_CHARACTERS else None


_HIDE: SharedChoice[str] = SharedChoice("hide", "", _bounded)
_LOCK: SharedChoice[str] = SharedChoice("lock", "", _bounded)
_FREE: SharedChoice[str] = SharedChoice("free", "", _bounded)
LIMITS = (_HIDE, _LOCK, _FREE)


def limits() -> LinkLimits:
    """The limits of the link that led this visitor here."""
    return read_limits(_HIDE.chosen(), _LOCK.chosen(), _FREE.chosen())


def leave_limits() -> None:
    """Work without them from now on."""
    for choice in LIMITS:
        choice.choose("")
