"""What a search has looked at, what it has run, and the front of what was run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from compress_core.decide.hypervolume import unbeaten
from compress_core.decide.knob_positions import Position
from compress_core.decide.search_plan import Objective, SearchPlan
from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.recipe.values import ResolvedRecipe

Positions = tuple[Position, ...]


@dataclass(frozen=True)
class Evaluated:
    """A recipe that was really run: its model's key, and the numbers of every objective.

    accuracy stands for the change of accuracy against the parent, in points.
    """

    positions: Positions
    recipe: ResolvedRecipe
    model: str
    numbers: Mapping[Objective, Number]


@dataclass(frozen=True)
class Looked:
    """A recipe that was looked at. estimated: each objective, before anything of it was run.

    evaluated: None where it was only estimated; refused: why it could not be evaluated.
    """

    number: int
    positions: Positions
    estimated: Mapping[Objective, float]
    evaluated: Evaluated | None = None
    refused: str | None = None


@dataclass(frozen=True)
class Search:
    """What a search found; n: items on which recipes were evaluated.

    looked: every recipe, in the order in which they were proposed; the same one may come again. begun_with:
    how many of the first are what a budget's solver says, with one price for a byte in every place.
    """

    plan: SearchPlan
    seed: int
    split: str
    n: int
    looked: tuple[Looked, ...]
    begun_with: int = 0

    @property
    def of_solver(self) -> tuple[Looked, ...]:
        """Those that it began with."""
        return self.looked[: self.begun_with]

    @property
    def searched(self) -> int:
        """Different recipes that were looked at."""
        return len({each.positions for each in self.looked})

    @property
    def again(self) -> int:
        """Trials that proposed a recipe which an earlier one had proposed already."""
        return len(self.looked) - self.searched

    @property
    def refused(self) -> tuple[Looked, ...]:
        """Those that could not be made, each once."""
        first = {each.positions: each for each in reversed(self.looked) if each.refused is not None}
        return tuple(sorted(first.values(), key=lambda each: each.number))

    @property
    def evaluated(self) -> tuple[Looked, ...]:
        """Those that were really run, each once."""
        first = {each.positions: each for each in reversed(self.looked) if each.evaluated is not None}
        return tuple(sorted(first.values(), key=lambda each: each.number))

    @property
    def front(self) -> tuple[Looked, ...]:
        """Of those that were really run, the ones that no other beats; the best quality first."""
        run = self.evaluated
        if not run:
            return ()
        costs = np.array([costs_of(each.evaluated, self.plan) for each in run])
        kept = [each for each, is_best in zip(run, unbeaten(costs), strict=True) if is_best]
        return tuple(sorted(kept, key=lambda each: costs_of(each.evaluated, self.plan)))


def costs_of(found: Evaluated | None, plan: SearchPlan) -> list[float]:
    """The numbers of every objective, less is better; NaN where one was not measured."""
    assert found is not None, "asked of one that was run"
    values = (found.numbers[objective].value for objective in plan.objectives)
    return [
        float("nan") if value is None else objective.as_cost(value)
        for objective, value in zip(plan.objectives, values, strict=True)
    ]


@dataclass(frozen=True)
class Generation(Progress):
    """Progress with the search so far; coming(most): the recipe that is run next, then likely ones.

    Whoever has numbers of them ready where `numbers_of_run` looks, before the search goes on, spares it
    that run: what it finds is the same.
    """

    found: Search
    coming: Callable[[int], Sequence[ResolvedRecipe]] = field(compare=False)

    def said(self) -> Mapping[str, Any] | None:
        """How many, what was run, and which of that no other beats: plain values for a figure."""
        run, front = self.found.evaluated, {each.number for each in self.found.front}
        values = [
            {objective.value: number.value for objective, number in each.evaluated.numbers.items()}
            for each in run
            if each.evaluated is not None
        ]
        best = [place for place, each in enumerate(run) if each.number in front]
        return {
            "searched": self.found.searched,
            "evaluated": len(run),
            "run": values,
            "front": best,
        }
