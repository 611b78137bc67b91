"""Heads, or channels of a norm's group: several channels as one unit where single ones do not hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from torch import nn

from compress_core.network.layers.cut import is_convolution
from compress_core.network.layers.side import Side
from compress_core.structure.coupling import CoupledUnit, Slot
from compress_core.structure.families import merged, unit_sizes
from compress_core.structure.group import Group, GroupKind
from compress_core.structure.group_building import GroupBuilder
from compress_core.structure.kinds_of_groups import built
from compress_core.structure.owner_numbers import with_owner_numbers
from compress_core.structure.shrink import side_of
from compress_core.structure.verdicts import Verdicts

_Size = tuple[int, bool]


@dataclass(eq=False)
class LargerUnits:
    """Tries unit sizes, or takes for a group what held for one that is built alike.

    by_kinds: whether it takes it so; then whoever relies on it tries all of them at once. known: the size
    that held, and which of the ways to go about it.
    """

    network: nn.Module
    builder: GroupBuilder
    verdicts: Verdicts
    by_kinds: bool
    known: dict[str, tuple[_Size, int] | None] = field(default_factory=dict)

    def merged(self, units: Sequence[CoupledUnit], apart: Sequence[Group]) -> Group | None:
        """The channels of groups in larger units; None where no size holds."""
        modules = [member.module for member in apart[0].members if member.side is not Side.OWN]

        def of(size: _Size) -> list[CoupledUnit] | None:
            return merged(units, size[0], neighbors=size[1])

        return self._first_that_holds(modules, unit_sizes(self.network, modules, len(units)), of)

    def parted(self, slots: Sequence[Slot]) -> Group | None:
        """Every side cut into as many equal parts, which go together; None where no number of parts holds.

        A side that is several times as wide as its reader is tried as several of its blocks.
        """
        widths = {slot: side_of(self.network, slot.module, slot.side) or 1 for slot in slots}
        base = next(width for slot, width in widths.items() if slot.side is Side.IN)
        common = math.gcd(*widths.values())

        def of(size: _Size) -> list[CoupledUnit]:
            count = common // size[0]
            parts = {slot: _parts(width, base, count, size[1]) for slot, width in widths.items()}
            return [{slot: found[i] for slot, found in parts.items()} for i in range(count)]

        modules = [slot.module for slot in slots]
        sizes = unit_sizes(self.network, modules, common)
        gated = [(1, True)] if max(widths.values()) > base else []
        return self._first_that_holds(modules, gated + sizes, of)

    def _first_that_holds(
        self, modules: Sequence[str], sizes: list[_Size], of: Callable[[_Size], list[CoupledUnit] | None]
    ) -> Group | None:
        kind = f"{sizes} {[built(self.network, name, Side.OUT) for name in modules]}"
        if self.by_kinds and kind in self.known:
            known = self.known[kind]
            units = None if known is None else of(known[0])
            if known is None or units is None:
                return None
            return next(islice(self._ways(units, known[0]), known[1], None), None)
        self.known[kind] = None
        for size in sizes:
            units = of(size)
            for way, tried in enumerate(self._ways(units, size) if units is not None else ()):
                if self.verdicts.apart([tried])[tried] is None:
                    self.known[kind] = (size, way)
                    return tried
        return None

    def _ways(self, units: Sequence[CoupledUnit], size: _Size) -> Iterator[Group]:
        """The group of these units, and with numbers of its owners that go down with it."""
        yield self._group(units, size)
        for counted in with_owner_numbers(self.network, units):
            yield self._group(counted, size)

    def _group(self, units: Sequence[CoupledUnit], size: _Size) -> Group:
        group = self.builder.group(units)
        heads = size[1] and size[0] > 1 and not is_convolution(self.network.get_submodule(group.name))
        return replace(group, kind=GroupKind.HEADS if heads else group.kind)


def _parts(width: int, base: int, count: int, neighbors: bool) -> list[tuple[int, ...]]:
    """Indices of a side in parts: neighbors, or those at the same place of equal stretches, of each block."""
    blocks = width // base if width % base == 0 and width > base else 1
    block = width // blocks
    step = block // count
    inner = [range(i * step, (i + 1) * step) if neighbors else range(i, block, count) for i in range(count)]
    return [tuple(b * block + j for b in range(blocks) for j in part) for part in inner]
