"""Whole numbers that modules hold and that count units, such as how many heads there are: they go down too.

A forward that says `reshape(items, words, 3, self.heads, 64)` counts on so many heads; with fewer of them it
runs if `heads` is lowered with them. Which numbers those are is guessed by their size, and then proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from torch import nn

from compress_core.network.layers.side import Side
from compress_core.structure.coupling import CoupledUnit, Slot


def with_owner_numbers(network: nn.Module, units: Sequence[CoupledUnit]) -> Iterator[list[CoupledUnit]]:
    """The units with the numbers around them that may count them.

    First those that count units, then with those that count their channels, then these alone.
    """
    found = _numbers(network, units)
    ways = (
        {slot: each for slot, each in found.items() if each == 1},
        found,
        {slot: each for slot, each in found.items() if each > 1},
    )
    tried: list[dict[Slot, int]] = []
    for way in ways:
        if way and way not in tried:
            tried.append(way)
            yield [{**unit, **_at(way, place)} for place, unit in enumerate(units)]


def _numbers(network: nn.Module, units: Sequence[CoupledUnit]) -> dict[Slot, int]:
    """Numbers of the modules around, each with how much of it goes with a unit."""
    modules = [slot.module for slot in units[0] if slot.side in (Side.IN, Side.OUT)]
    last, each = max(slot.order for slot in units[0]), {len(indices) for indices in units[0].values()}
    found: dict[Slot, int] = {}
    for owner in dict.fromkeys([*(name.rpartition(".")[0] for name in modules), _around(modules)]):
        for name, value in vars(network.get_submodule(owner)).items():
            if type(value) is int and value % len(units) == 0 and value // len(units) in {1, *each}:
                slot = Slot(last + 1 + len(found), f"{owner}.{name}".lstrip("."), Side.NUMBER)
                found[slot] = value // len(units)
    return found


def _around(modules: Sequence[str]) -> str:
    """The innermost module that holds all of them."""
    paths = [name.split(".")[:-1] for name in modules]
    alike = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    return ".".join(parts[0] for parts in alike)


def _at(numbers: dict[Slot, int], place: int) -> CoupledUnit:
    return {slot: tuple(range(place * each, (place + 1) * each)) for slot, each in numbers.items()}
