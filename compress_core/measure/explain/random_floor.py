"""What likeness is chance: the original's maps against those of several networks with shuffled weights.

One shuffle may happen to look alike, or opposite: GradCAM's cosine went from -0.90 to +0.86 over seeds. So
there are several, and their median stands with its range.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

CHEAP_DRAWS, COSTLY_DRAWS = 5, 3
"""Networks with shuffled weights; fewer for methods that make many inputs of one."""


@dataclass(frozen=True)
class Chance:
    """A measure of the random floor: the median item of each draw, and the middle and range of those.

    n, not_measured: items of the middle draw; draws: how many networks.
    """

    median: float
    low: float
    high: float
    n: int
    not_measured: int
    draws: int


def draws_for(rows_per_item: int) -> int:
    """How many networks a method can afford that makes so many inputs of one."""
    return CHEAP_DRAWS if rows_per_item == 1 else COSTLY_DRAWS


def chance_of(random: pd.DataFrame, measure: str) -> Chance:
    """The floor of one measure; random has a row for each item of each draw, and a column draw."""
    by_draw = random.groupby("draw")[measure]
    medians, counts, sizes = by_draw.median(), by_draw.count(), by_draw.size()
    n = int(counts.median())
    return Chance(
        float(medians.median()),
        float(medians.min()),
        float(medians.max()),
        n,
        int(sizes.iloc[0]) - n,
        len(medians),
    )
