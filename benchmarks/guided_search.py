"""A guided search beside evaluating every recipe from scratch, and beside as many recipes drawn at random."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.checked_estimates import random_recipe
from benchmarks.networks import FULL, Size
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.decide.hypervolume import hypervolume
from compress_core.decide.knob_positions import recipe_at
from compress_core.decide.recipe_numbers import numbers_of_run
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.search import MOST_LOSS, search
from compress_core.decide.search_plan import Objective, SearchPlan
from compress_core.decide.search_space import places_of
from compress_core.decide.searched import Evaluated, Positions
from compress_core.decide.sensitivity import Sensitivity
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample

MODEL, SEEDS = "lenet5", (0, 1, 2)
SCRATCH = 8
HEAD = (
    (
        "| seed | searched, evaluated | front, guided | front, random | CPU s, guided | CPU s, from scratch "
        "| times faster | with the scan |"
    ),
    "| --- " * 8 + "|",
)
NOTE = (
    "From scratch: so many trials, each compressed, run and packed with nothing kept; from the mean of a few."
)


def lines(size: Size) -> Iterator[str]:
    """Hypervolumes are shares of the box from the file as loaded to a thousandth, no loss to 30 points."""
    name = MODEL if size is FULL else "tabular"
    plan = SearchPlan() if size is FULL else SearchPlan(trials=20, evaluations=2)
    parent = Model.original(load_sample(name))
    began = time.process_time()
    sensitivity = result_of(scan(parent, ScanPlan(), Store()))
    scanned = time.process_time() - began
    each = _seconds_from_scratch(parent, sensitivity, SCRATCH if size is FULL else 1)
    yield from HEAD
    for seed in SEEDS if size is FULL else SEEDS[:1]:
        store = Store()
        began = time.process_time()
        found = result_of(search(parent, sensitivity, plan, seed, store))
        seconds = time.process_time() - began
        guided = [run.evaluated for run in found.evaluated if run.evaluated is not None]
        drawn = random_runs(parent, sensitivity, len(guided), seed, store)
        whole = packed_size(parent, store).value or 1.0
        yield (
            f"| {seed} | {found.searched}, {len(guided)} | {volume(guided, whole):.3f} "
            f"| {volume(drawn, whole):.3f} | {seconds:.0f} | {each * plan.trials:.0f} "
            f"| {each * plan.trials / seconds:.1f} | {each * plan.trials / (seconds + scanned):.1f} |"
        )
    yield ""
    yield NOTE


def _seconds_from_scratch(parent: Model, sensitivity: Sensitivity, count: int) -> float:
    """Processor time of one recipe that nobody has seen, nothing kept from others; mean of a few."""
    recipes = _random(sensitivity, 99)
    spent: list[float] = []
    while len(spent) < count:
        began = time.process_time()
        if _run(parent, sensitivity, next(recipes), Store()) is not None:
            spent.append(time.process_time() - began)
    return float(np.mean(spent))


def _random(sensitivity: Sensitivity, seed: int) -> Iterator[Positions]:
    generator, places = np.random.default_rng(seed), places_of(sensitivity, ())
    while True:
        yield random_recipe(places, generator)


def _run(parent: Model, sensitivity: Sensitivity, positions: Positions, store: Store) -> Evaluated | None:
    recipe = recipe_at(positions, sensitivity)
    try:
        model = compress(parent.subject, recipe.as_recipe(), store)
        return Evaluated(positions, recipe, model.key, numbers_of_run(model, parent, store))
    except Refused:
        return None


def random_runs(
    parent: Model, sensitivity: Sensitivity, count: int, seed: int, store: Store
) -> list[Evaluated]:
    """As many recipes drawn at random from the same knobs, really run."""
    found: list[Evaluated] = []
    for positions in _random(sensitivity, 1000 + seed):
        run = _run(parent, sensitivity, positions, store)
        found += [] if run is None else [run]
        if len(found) == count:
            break
    return found


def volume(runs: Sequence[Evaluated], whole: float) -> float:
    """Hypervolume of loss of accuracy and logarithm of packed bytes, as a share of the box."""
    costs = [
        (
            max(0.0, -(run.numbers[Objective.ACCURACY].value or 0.0)) / MOST_LOSS[Objective.ACCURACY],
            1 + np.log10((run.numbers[Objective.PACKED_BYTES].value or whole) / whole) / 3,
        )
        for run in runs
    ]
    return hypervolume(np.array(costs), np.ones(2))
