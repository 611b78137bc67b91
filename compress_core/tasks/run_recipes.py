"""Run recipes and keep their numbers: what a search needs of them, done by others for it."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from typing import Annotated

from pydantic import Field

from compress_core.apply.model import Model
from compress_core.apply.run import compressed_further
from compress_core.decide.recipe_numbers import numbers_of_run
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.jobs.task import ResultFiles, Task, WorkPart
from compress_core.recipe.reading import read_resolved
from compress_core.recipe.values import ResolvedRecipe


class RecipesPlan(Strict):
    """Which recipes are run."""

    recipes: Annotated[tuple[str, ...], Field(min_length=1, description="Recipes as they resolve, in JSON.")]


def run(model: Model, knobs: RecipesPlan, _seed: int, store: Store) -> Generator[Progress, None, int]:
    """Run each that can be run; what cannot, the search finds out. Gives how many were run."""
    count = 0
    for number, text in enumerate(knobs.recipes):
        yield Progress(number, len(knobs.recipes), N_("recipes are run"))
        recipe = read_resolved(json.loads(text))
        try:
            made = compressed_further(model, recipe.as_recipe(), store)
        except Refused:
            continue
        numbers_of_run(made, model, store)
        count += 1
    return count


def each_alone(recipes: Iterable[ResolvedRecipe]) -> list[WorkPart]:
    """A part for each recipe."""
    plans = (RecipesPlan(recipes=(json.dumps(recipe.as_json()),)) for recipe in recipes)
    return [WorkPart(RUN.kind, plan.model_dump_json()) for plan in plans]


def pack(count: int) -> ResultFiles:
    """How many; their numbers are rows."""
    return ResultFiles({}, {"run": count})


def unpack(packed: ResultFiles) -> int:
    """The reverse of `pack`."""
    return int(packed.facts["run"])


RUN = Task("run", RecipesPlan, lambda _: ("validation",), run, pack, unpack, tells_names=True)
