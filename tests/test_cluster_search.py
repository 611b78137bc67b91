"""A search on a cluster ends as on one machine, and what its processors measured is kept here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compress_core.apply.model import Model
from compress_core.apply.run import compressed_further
from compress_core.decide.search_plan import SearchPlan
from compress_core.decide.searched import Generation, Search
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.scan_points import NUMBERS, kept_under, searched_on
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.cluster.rows import checked_row
from compress_core.jobs.info import State
from compress_core.tasks.scan_layers import shards_for
from compress_core.tasks.search_recipes import SEARCH, coming
from tests.served import main_of
from tests.stand_in_worker import Site, site_in
from tests.subjects import loaded_sample

ME = "me"
LONG = 300.0  # many parts, each a process
PLAN = SearchPlan(trials=44, evaluations=5)
NUMBER = {"value": 0.5, "unit": "nat", "kind": "measured", "low": None, "high": None, "n": 20}
ROW: dict[str, Any] = {NUMBERS: dict.fromkeys(("accuracy", "kl", "packed_bytes", "macs"), NUMBER)}


@pytest.fixture(scope="module")
def parent() -> Model:
    return Model.original(loaded_sample("tabular"))


@pytest.fixture(scope="module")
def here(parent: Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[Search, Workspace]:
    """What one machine finds, and the workspace in which it left its rows."""
    workspace = Workspace.at(tmp_path_factory.mktemp("here"))
    return result_of(SEARCH.run(parent, PLAN, 0, Store(workspace=workspace))), workspace


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from site_in(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("processors", [1, 2])
def test_a_search_in_parts_ends_as_on_one_machine(
    parent: Model,
    here: tuple[Search, Workspace],
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    processors: int,
) -> None:
    parts = tmp_path / "parts.txt"
    monkeypatch.setenv("STAND_IN_PROCESSORS", str(processors))
    monkeypatch.setenv("STAND_IN_PARTS", str(parts))
    site.command = [*main_of("tests.driver_process")]
    wanted, workspace = SEARCH.job(parent, PLAN, 0, found_in="tabular"), Workspace.at(tmp_path / "work")
    assert wanted.model == parent.key, "what is known of it goes along"
    runner = site.on_cluster(workspace)
    runner.submit(wanted, ME)
    assert list(runner.as_done([wanted.key], LONG))
    info, content = runner.info(wanted.key), runner.result(wanted.key)
    assert info.state is State.DONE, info.problem
    assert content is not None
    assert content == SEARCH.pack(here[0]).as_bytes()
    kinds = Counter(parts.read_text().split())
    assert kinds["scan"] == len(shards_for(processors))
    assert PLAN.evaluations <= kinds["run"] <= PLAN.evaluations + 2 * processors, "few runs are for nothing"
    assert here[1].scans.of_model(parent.key).items() <= workspace.scans.of_model(parent.key).items()


@pytest.mark.slow
def test_what_a_search_says_it_needs_next_is_what_it_runs(
    parent: Model, here: tuple[Search, Workspace], tmp_path: Path
) -> None:
    workspace = Workspace.at(tmp_path)
    workspace.scans.take_rows(parent.key, here[1].scans.of_parent(parent.key))
    said = []
    store = Store(workspace=workspace)
    for progress in SEARCH.run(parent, PLAN, 0, store):
        parts = coming(progress, 4)
        if not isinstance(progress, Generation):
            assert parts == []
            continue
        assert [part.kind for part in parts] == ["run"] * 4
        assert progress.coming(1) == progress.coming(4)[:1]
        assert {each.evaluated.model for each in progress.found.evaluated if each.evaluated} == set(said)
        said.append(compressed_further(parent, progress.coming(1)[0].as_recipe(), store).key)
    assert len(said) == PLAN.evaluations


def test_a_search_runs_nothing_whose_numbers_came(
    parent: Model, here: tuple[Search, Workspace], tmp_path: Path
) -> None:
    workspace = Workspace.at(tmp_path)
    rows = here[1].scans.of_model(parent.key)
    workspace.scans.take_rows(parent.key, rows)
    for key in [key for key, row in rows.items() if NUMBERS in row]:
        workspace.scans.keep(key, searched_on(parent.key), _halved(rows[key]))
    found = result_of(SEARCH.run(parent, PLAN, 0, Store(workspace=workspace)))
    first, ours = here[0].evaluated[0].evaluated, found.evaluated[0].evaluated
    assert first is not None
    assert ours is not None
    assert [2 * number.value for number in ours.numbers.values() if number.value is not None] == [
        number.value for number in first.numbers.values() if number.value is not None
    ]


def _halved(row: Any) -> Any:
    numbers = {
        name: said if said["value"] is None else {**said, "value": said["value"] / 2}
        for name, said in row[NUMBERS].items()
    }
    return {NUMBERS: numbers}


def test_numbers_of_a_recipe_are_taken_and_nothing_else_is() -> None:
    key, model = "a" * 64, "b" * 64
    assert checked_row(ROW, key, kept_under(model, ROW)) == ROW
    assert kept_under(model, ROW) == searched_on(model) != model
    for change in (
        {"macs": None},
        {"macs": {"value": float("nan"), "unit": "MAC"}},
        {"other": NUMBER},
        {"kl": {**NUMBER, "n": "many"}},
        {"kl": {**NUMBER, "reason": "x" * 30_000}},
    ):
        with pytest.raises(Refused, match="neither a point of a scan nor a recipe"):
            checked_row({NUMBERS: {**ROW[NUMBERS], **change}}, key, model)
    with pytest.raises(Refused, match="neither a point of a scan nor a recipe"):
        checked_row({**ROW, "place": "fc1"}, key, model)
    assert json.loads(json.dumps(ROW)) == ROW
