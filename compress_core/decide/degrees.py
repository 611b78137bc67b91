"""To which degrees each family is tried on a place, from the mildest to the hardest."""

from __future__ import annotations

import math

from compress_core.network.layers.kinds import Layer

KEPT_FIRST, KEPT_LAST = 0.7, 0.03
"""Shares of a layer's weights that stay: damage begins late, so the degrees lie closer there."""
UNITS_FIRST, UNITS_LAST = 1 / 8, 3 / 4
BITS_FIRST, BITS_LAST = 8, 2
RANK_RANGE = 12  # the hardest rank is this part of the mildest


def shares_pruned(points: int) -> tuple[float, ...]:
    """Shares of weights that go."""
    return tuple(round(1 - kept, 3) for kept in _geometric(KEPT_FIRST, KEPT_LAST, points))


def shares_of_units(points: int, units: int) -> tuple[float, ...]:
    """Shares of a group's units that go, each a whole number of them; empty where one must stay."""
    steps = [UNITS_FIRST + (UNITS_LAST - UNITS_FIRST) * _place(i, points) for i in range(points)]
    counts = sorted({min(units - 1, max(1, round(share * units))) for share in steps} - {0})
    return tuple(round(count / units, 6) for count in counts)


def ranks(points: int, layer: Layer) -> tuple[int, ...]:
    """Ranks, from the highest that makes the layer smaller; empty where none does."""
    highest = min(layer.break_even_rank, layer.highest_rank)
    if highest < 1:
        return ()
    found = {max(1, round(rank)) for rank in _geometric(highest, highest / RANK_RANGE, points)}
    return tuple(sorted(found, reverse=True))


def bits(points: int) -> tuple[int, ...]:
    """Bits for each weight."""
    return tuple(sorted({round(b) for b in _geometric(BITS_FIRST, BITS_LAST, points)}, reverse=True))


def _geometric(first: float, last: float, points: int) -> list[float]:
    return [first * math.exp(_place(i, points) * math.log(last / first)) for i in range(points)]


def _place(index: int, points: int) -> float:
    """Between 0 and 1; a single point stands in the middle."""
    return index / (points - 1) if points > 1 else 0.5
