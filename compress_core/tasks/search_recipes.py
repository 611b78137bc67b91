"""Search recipes as a job: scan what is not scanned yet, then search; what was interrupted goes on."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import Any

from compress_core.apply.model import Model
from compress_core.decide.family import Family
from compress_core.decide.knob_positions import Position
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.search import search
from compress_core.decide.search_plan import Objective, SearchPlan
from compress_core.decide.searched import Evaluated, Generation, Looked, Search
from compress_core.foundation.plain_json import number_as_json, number_from_json
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.jobs.task import ResultFiles, Task, TaskParts, WorkPart
from compress_core.recipe.reading import read_resolved
from compress_core.tasks import run_recipes, scan_layers


def run(model: Model, knobs: SearchPlan, seed: int, store: Store) -> Generator[Progress, None, Search]:
    """Scan on the sample as far as nobody has, then search; raises Refused as both do."""
    sensitivity = yield from scan(model, ScanPlan(), store)
    return (yield from search(model, sensitivity, knobs, seed, store))


def search_as_json(found: Search) -> dict[str, Any]:
    """All of it as plain values; texts can still be translated."""
    return {
        "plan": found.plan.model_dump(mode="json"),
        "seed": found.seed,
        "split": found.split,
        "n": found.n,
        "begun_with": found.begun_with,
        "looked": [_looked_as_json(each) for each in found.looked],
    }


def _looked_as_json(each: Looked) -> dict[str, Any]:
    return {
        "number": each.number,
        "positions": [[at.place, at.family.value, at.value] for at in each.positions],
        "estimated": {objective.value: value for objective, value in each.estimated.items()},
        "evaluated": None if each.evaluated is None else evaluated_as_json(each.evaluated),
        "refused": each.refused,
    }


def evaluated_as_json(run: Evaluated) -> dict[str, Any]:
    """The recipe, its model and its numbers."""
    return {
        "recipe": run.recipe.as_json(),
        "model": run.model,
        "numbers": {objective.value: number_as_json(number) for objective, number in run.numbers.items()},
    }


def pack(found: Search) -> ResultFiles:
    """There are few numbers and no arrays."""
    return ResultFiles({}, search_as_json(found))


def unpack(packed: ResultFiles) -> Search:
    """The reverse of `pack`."""
    facts = packed.facts
    plan = SearchPlan.model_validate_json(json.dumps(facts["plan"]))
    looked = tuple(_looked(said) for said in facts["looked"])
    return Search(plan, facts["seed"], facts["split"], facts["n"], looked, facts["begun_with"])


def _looked(said: Mapping[str, Any]) -> Looked:
    positions = tuple(Position(place, Family(family), value) for place, family, value in said["positions"])
    run = said["evaluated"]
    return Looked(
        said["number"],
        positions,
        {Objective(name): value for name, value in said["estimated"].items()},
        None
        if run is None
        else Evaluated(
            positions,
            read_resolved(run["recipe"]),
            run["model"],
            {Objective(name): number_from_json(number) for name, number in run["numbers"].items()},
        ),
        said["refused"],
    )


def first_parts(_plan: SearchPlan, processors: int) -> list[WorkPart]:
    """The scan that a search begins with."""
    return scan_layers.scan_parts(ScanPlan(), processors)


def coming(progress: Progress, most: int) -> list[WorkPart]:
    """The runs of the recipes that a search needs next."""
    return run_recipes.each_alone(progress.coming(most)) if isinstance(progress, Generation) else []


SEARCH = Task(
    "search",
    SearchPlan,
    lambda _: ("validation",),
    run,
    pack,
    unpack,
    TaskParts(first_parts, coming),
    tells_names=True,
)
