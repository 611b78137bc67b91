"""What can be done to a place, what it would cost then, and how far the answers would move."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from compress_core.foundation.texts import N_, Phrase
from compress_core.recipe.values import Step


class Resource(StrEnum):
    """What a budget is counted in."""

    BYTES = "packed_bytes"
    PARAMETERS = "parameters"
    MACS = "macs"

    @property
    def label(self) -> Phrase:
        """What it is called on a page, which can be translated."""
        return Phrase(_LABELS[self])


_LABELS = {
    Resource.BYTES: N_("bytes of the packed file"),
    Resource.PARAMETERS: N_("weights that are not zero"),
    Resource.MACS: N_("multiply-accumulates"),
}


@dataclass(frozen=True)
class Cost:
    """What a place takes: bytes in the packed file, weights that are not zero, MACs of an item.

    Bytes are estimated: what comes before a weight in the file teaches a little. The others are exact.
    """

    packed_bytes: float
    parameters: int
    macs: int

    def of(self, resource: Resource) -> float:
        """One of the three."""
        match resource:
            case Resource.BYTES:
                return self.packed_bytes
            case Resource.PARAMETERS:
                return float(self.parameters)
            case Resource.MACS:
                return float(self.macs)


@dataclass(frozen=True)
class Option:
    """One thing that can be done to a place; no steps: it is left as it is.

    kl: how far the answers move by it alone, in nats, estimated from the curves of the place. shares: of a
    coupled group, which share of its weights it leaves of each layer, by name.
    """

    steps: tuple[Step, ...]
    cost: Cost
    kl: float
    shares: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class PlaceOptions:
    """All that can be done to one layer or coupled group, from the dearest to the cheapest.

    A locked place has one option.
    """

    place: str
    options: tuple[Option, ...]
    is_group: bool = False
    is_locked: bool = False

    @property
    def key(self) -> str:
        """A name for it that no layer shares with a group."""
        return f"group {self.place}" if self.is_group else self.place

    @property
    def as_it_is(self) -> Option:
        """The option that changes nothing; the dearest where it is locked at another one."""
        return next((option for option in self.options if not option.steps), self.options[0])

    def least(self, resource: Resource) -> float:
        """The cost of the smallest option."""
        return min(option.cost.of(resource) for option in self.options)

    def most(self, resource: Resource) -> float:
        """The cost of the largest option."""
        return max(option.cost.of(resource) for option in self.options)

    def prices(self, chosen: Option) -> dict[str, float | None]:
        """Why an option was taken: nats for each byte to the nearest milder and to the nearest harder one.

        price_milder: what a byte more would win; price_harder: what a byte less would cost; None at an end.
        """
        by_size = worth_trying(self.options, (Resource.BYTES,))
        own = chosen.cost.packed_bytes
        milder = [o for o in by_size if o.kl < chosen.kl and o.cost.packed_bytes > own]
        harder = [o for o in by_size if o.kl > chosen.kl and o.cost.packed_bytes < own]
        return {
            "price_milder": _price(chosen, max(milder, key=lambda o: o.kl)) if milder else None,
            "price_harder": _price(chosen, min(harder, key=lambda o: o.kl)) if harder else None,
        }

    def held_at(self, option: Option) -> PlaceOptions:
        """The place with nothing to choose any more."""
        return replace(self, options=(option,), is_locked=True)


def worth_trying(
    options: Iterable[Option], resources: Sequence[Resource] = tuple(Resource)
) -> tuple[Option, ...]:
    """Those that no other beats in divergence and all resources, from the dearest to the cheapest."""
    first = resources[0]
    ordered = sorted(options, key=lambda o: (o.kl, *(o.cost.of(r) for r in resources)))
    kept: list[Option] = []
    for option in ordered:
        if not any(_beats(other, option, resources) for other in kept):
            kept.append(option)
    return tuple(sorted(kept, key=lambda o: -o.cost.of(first)))


def _price(one: Option, other: Option) -> float:
    """Nats for each byte between two options."""
    return abs(one.kl - other.kl) / max(abs(one.cost.packed_bytes - other.cost.packed_bytes), 1e-9)


def _beats(one: Option, other: Option, resources: Sequence[Resource]) -> bool:
    """At least as cheap in every respect."""
    return all(one.cost.of(r) <= other.cost.of(r) for r in resources)
