"""Which coupled channels look alike, and several of them as one unit: heads, channels of a norm's group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from torch import nn

from compress_core.network.layers.cut import channel_groups
from compress_core.structure.coupling import CoupledUnit, Slot

_MOST_SIZES = 12
_COMMON_PARTS = frozenset({2, 3, 4})
UnitSignature = tuple[tuple[Slot, int], ...]


def families(units: Sequence[CoupledUnit]) -> list[list[list[CoupledUnit]]]:
    """Units that look alike side by side, and those lists that begin at one layer together."""
    alike: dict[UnitSignature, list[CoupledUnit]] = {}
    for unit in units:
        alike.setdefault(_form(unit), []).append(unit)
    found: dict[Slot, list[list[CoupledUnit]]] = {}
    for form, members in alike.items():
        found.setdefault(form[0][0], []).append(members)
    return list(found.values())


def unit_sizes(network: nn.Module, modules: Iterable[str], units: int) -> list[tuple[int, bool]]:
    """How many units to try as one, few first, and whether they are neighbors.

    Suggested by the whole numbers that the modules and their owners hold (heads, head_width, groups),
    and by splits into two to four parts.
    """
    numbers = set(_COMMON_PARTS)
    for name in modules:
        parts = name.split(".")
        for depth in range(len(parts) + 1):
            owner = network.get_submodule(".".join(parts[:depth]))
            numbers |= {v for v in vars(owner).values() if type(v) is int} | {channel_groups(owner)}
    fitting = {n for n in numbers if 1 < n < units and units % n == 0}
    found = {(size, neighbors) for n in fitting for size in (n, units // n) for neighbors in (True, False)}
    return sorted(found, key=lambda size: (size[0], not size[1]))[:_MOST_SIZES]


def merged(units: Sequence[CoupledUnit], size: int, *, neighbors: bool) -> list[CoupledUnit] | None:
    """Neighbors as one unit, or those at the same place of equal parts; None where they are not alike."""
    count = len(units) // size
    picks = (units[i * size : (i + 1) * size] if neighbors else units[i::count] for i in range(count))
    together = [_union(pick) for pick in picks]
    return together if len({_form(unit) for unit in together}) == 1 and count > 1 else None


def _form(unit: CoupledUnit) -> UnitSignature:
    return tuple((slot, len(indices)) for slot, indices in unit.items())


def _union(units: Sequence[CoupledUnit]) -> CoupledUnit:
    return {
        slot: tuple(sorted(_indices(units, slot)))
        for slot in sorted({slot for unit in units for slot in unit})
    }


def _indices(units: Sequence[CoupledUnit], slot: Slot) -> Iterator[int]:
    for unit in units:
        yield from unit.get(slot, ())
