"""A search estimates many recipes and runs few of them, and comes to the same end however often it stops."""

from __future__ import annotations

import json
import signal
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from compress_core.apply.model import Model
from compress_core.cli import app
from compress_core.decide.estimate import estimator_of
from compress_core.decide.estimated_size import bytes_estimator
from compress_core.decide.family import Family
from compress_core.decide.hypervolume import hypervolume, most_promising, unbeaten
from compress_core.decide.recipe_numbers import EVALUATED
from compress_core.decide.search import SEEDS, search
from compress_core.decide.search_plan import Objective, SearchPlan
from compress_core.decide.search_space import places_of, seeds
from compress_core.decide.searched import Search
from compress_core.decide.sensitivity import Curve, ScanPoint, Sensitivity
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.recipe.values import Step
from compress_core.tasks.search_recipes import SEARCH
from tests.served import FORKS
from tests.subjects import loaded_sample

PLAN = SearchPlan(trials=44, evaluations=5)
WHOLE = 8000


def curve(place: str, family: Family, steps: dict[float, Step], *, labels: bool = True) -> Curve:
    def point(value: float, step: Step, depth: int) -> ScanPoint:
        kl = 0.01 * 3**depth
        change = Number(-kl * 10, "points", "measured", n=114)
        return ScanPoint(
            place,
            family,
            value,
            (step,),
            f"{place}{value}",
            Number(kl, "nat", "measured", n=114),
            change if labels else Number.missing("points", "no labels"),
            WHOLE - 800 * (depth + 1),
            1000,
            None,
        )

    return Curve(place, family, tuple(point(v, s, d) for d, (v, s) in enumerate(steps.items())))


def scanned(*, labels: bool = True) -> Sensitivity:
    prune = {v: Step.of("magnitude", sparsity=v) for v in (0.3, 0.6, 0.9)}
    bits = {float(b): Step.of("uniform", bits=b) for b in (8, 5, 3)}
    cut = {v: Step.of_group("magnitude", share_removed=v) for v in (0.125, 0.5)}
    curves = [curve(layer, Family.PRUNE, prune, labels=labels) for layer in ("fc1", "fc2")]
    curves += [
        curve("fc1", Family.BITS, bits, labels=labels),
        curve("fc1", Family.STRUCTURE, cut, labels=labels),
    ]
    return Sensitivity("parent", "subject", "validation", "items", 114, tuple(curves))


@pytest.fixture(scope="module")
def parent() -> Model:
    return Model.original(loaded_sample("tabular"))


@pytest.fixture(scope="module")
def found(parent: Model) -> Search:
    return result_of(search(parent, scanned(), PLAN, 0, Store()))


def test_as_many_are_looked_at_and_run_as_the_plan_says(found: Search) -> None:
    assert len(found.looked) == PLAN.trials
    assert len(found.evaluated) == PLAN.evaluations
    assert found.searched <= PLAN.trials


def test_it_begins_with_what_the_solver_of_a_budget_says(parent: Model, found: Search) -> None:
    scan = scanned()
    layers = parent.base.layers
    estimator = estimator_of(scan, {layer.name: layer.highest_rank for layer in layers})
    whole = packed_size(parent, Store()).value or 0
    sizes = bytes_estimator(scan, whole, {layer.name: layer.weights for layer in layers})
    wanted = seeds(places_of(scan, ()), estimator, sizes, SEEDS)
    assert {frozenset(each.positions) for each in found.of_solver} == set(map(frozenset, wanted))


def test_the_front_is_of_what_was_run_and_no_run_beats_it(found: Search) -> None:
    run = [each.evaluated for each in found.evaluated]
    assert found.front
    for best in found.front:
        assert best.evaluated is not None
        mine = best.evaluated.numbers
        assert not any(
            other.numbers[Objective.ACCURACY].value > mine[Objective.ACCURACY].value
            and other.numbers[Objective.PACKED_BYTES].value < mine[Objective.PACKED_BYTES].value
            for other in run
        )


@pytest.mark.parametrize("sampler", ["nsga2", pytest.param("tpe", marks=pytest.mark.slow)])
def test_the_same_seed_finds_the_same_and_another_one_something_else(parent: Model, sampler: str) -> None:
    plan = SearchPlan(trials=44, evaluations=2, sampler=sampler)
    store = Store()
    first, again, other = (result_of(search(parent, scanned(), plan, seed, store)) for seed in (3, 3, 4))
    assert first == again
    assert [each.positions for each in first.looked] != [each.positions for each in other.looked]


@pytest.mark.slow
def test_what_was_interrupted_runs_nothing_twice_and_ends_as_an_undisturbed_search(
    parent: Model, found: Search, tmp_path: Path
) -> None:
    begun = Store(workspace=Workspace.at(tmp_path))
    work = search(parent, scanned(), PLAN, 0, begun)
    for _ in range(4):
        next(work)
    work.close()
    resumed = Store(workspace=Workspace.at(tmp_path))
    assert result_of(search(parent, scanned(), PLAN, 0, resumed)) == found
    assert resumed.found[EVALUATED] == begun.computed[EVALUATED] == 3
    assert resumed.computed[EVALUATED] == PLAN.evaluations - 3


def test_a_locked_place_is_left_alone_and_all_of_them_locked_are_refused(parent: Model) -> None:
    plan = SearchPlan(trials=20, evaluations=1, locked=("fc1",))
    found = result_of(search(parent, scanned(), plan, 0, Store()))
    assert {at.place for each in found.looked for at in each.positions} == {"fc2"}
    with pytest.raises(Refused, match="locked"):
        result_of(search(parent, scanned(), SearchPlan(locked=("fc1", "fc2")), 0, Store()))


def test_accuracy_is_no_objective_without_labels_and_divergence_is(parent: Model) -> None:
    with pytest.raises(Refused, match="objective kl"):
        result_of(search(parent, scanned(labels=False), PLAN, 0, Store()))
    plan = SearchPlan(trials=20, evaluations=1, objectives=(Objective.KL, Objective.PACKED_BYTES))
    assert result_of(search(parent, scanned(labels=False), plan, 0, Store())).front


def test_objectives_are_named_once() -> None:
    with pytest.raises(ValidationError, match="once"):
        SearchPlan(objectives=(Objective.KL, Objective.KL))


def test_seeds_go_from_large_and_unharmed_to_small(parent: Model) -> None:
    scan = scanned()
    sizes = bytes_estimator(scan, WHOLE, {layer.name: layer.weights for layer in parent.base.layers})
    estimator = estimator_of(scan)
    found = seeds(places_of(scan, ()), estimator, sizes, 6)
    assert len(found) > 2
    bytes_ = [sizes.of(each) for each in found]
    assert bytes_ == sorted(bytes_, reverse=True)
    assert estimator.divergence(found[0]) < estimator.divergence(found[-1])


COSTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=9)


@settings(max_examples=40)
@given(COSTS)
def test_the_volume_is_that_of_the_cells_which_something_dominates(rows: list[tuple[int, int, int]]) -> None:
    costs, reference = np.array(rows, dtype=float), np.full(3, 5.0)
    cells = np.stack(np.meshgrid(*[np.arange(5)] * 3, indexing="ij"), -1).reshape(-1, 3)
    covered = sum(any((np.array(row) <= cell).all() for row in rows) for cell in cells)
    assert hypervolume(costs, reference) == pytest.approx(covered)
    assert hypervolume(costs[unbeaten(costs)], reference) == pytest.approx(covered)


def test_of_equals_one_is_unbeaten_and_what_is_not_known_never_is() -> None:
    costs = np.array([[1.0, 1.0], [1.0, 1.0], [np.nan, 0.0], [2.0, 0.5], [2.0, 2.0]])
    assert unbeaten(costs).tolist() == [True, False, False, True, False]


def test_the_most_promising_adds_most_to_what_is_known() -> None:
    known = np.array([[0.5, 0.5]])
    waiting = np.array([[0.6, 0.6], [0.4, 0.45], [0.1, 0.9]])
    assert list(most_promising(known, waiting, np.ones(2), 2)) == [1, 2]


def test_a_search_comes_back_from_its_file_as_it_went(found: Search) -> None:
    assert SEARCH.result(SEARCH.pack(found).as_bytes()) == found


def search_alone(folder: Path, says: Connection) -> None:
    """Be a process that searches in a workspace, and say each step."""
    model, plan = Model.original(loaded_sample("tabular")), SearchPlan(trials=40, evaluations=6)
    for step in SEARCH.run(model, plan, 0, Store(workspace=Workspace.at(folder))):
        says.send(type(step).__name__)


PROCESSES = get_context("fork" if FORKS else "spawn")  # Linux alone forks what has loaded torch
SMALL = ("search", "tabular", "--trials", "40", "--evaluations", "6", "--json")


@pytest.mark.slow
def test_a_search_that_was_killed_twice_ends_on_the_command_line_as_an_undisturbed_one(
    tmp_path: Path,
) -> None:
    def told(workspace: Path) -> str:
        result = CliRunner().invoke(app, list(SMALL), env={"SLIMSCOPE_WORKSPACE": str(workspace)})
        assert result.exit_code == 0, result.output
        return result.stdout

    killed = tmp_path / "killed"
    for generations in (1, 3):
        hears, says = PROCESSES.Pipe(duplex=False)
        child = PROCESSES.Process(target=search_alone, args=(killed, says))
        child.start()
        says.close()
        for _ in range(generations):
            while hears.recv() != "Generation":
                pass
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        hears.close()
    undisturbed = told(tmp_path / "undisturbed")
    assert told(killed) == undisturbed
    assert json.loads(undisturbed)["evaluated"] == 6
    assert json.loads(undisturbed)["front"]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--objectives", "speed"], "--objectives"),
        (["--trials", "0"], "--trials"),
        (["--split", "test"], "validation items alone"),
    ],
)
def test_what_a_search_cannot_do_is_said_by_its_option(option: list[str], said: str) -> None:
    with pytest.raises(Refused, match=said):
        app(["search", "tabular", *option], standalone_mode=False)
