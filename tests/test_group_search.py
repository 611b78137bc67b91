"""Finding groups tells how far it is, and is a job where somebody would wait for it."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from compress_core.apply import groups_found
from compress_core.apply.groups_found import are_found, found_elsewhere, groups_in
from compress_core.apply.groups_needed import needed_groups
from compress_core.apply.lineage import lineage_text, read_lineage
from compress_core.apply.model import Model
from compress_core.apply.run import compress, model_of
from compress_core.apply.stored_groups import StoredGroups
from compress_core.foundation.progress import Progress, result_of
from compress_core.foundation.store import Store
from compress_core.foundation.told_progress import NobodyListensError, TellProgress, as_told
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.task import ResultFiles
from compress_core.measure.cost import search_estimate
from compress_core.measure.cost.search_estimate import search_takes_long
from compress_core.recipe.reading import read_recipe
from compress_core.structure.group import GroupKind
from compress_core.tasks.search_groups import GROUP_SEARCH, GroupSearchKnobs
from tests.subjects import loaded_sample
from tests.test_page_tune import GROUPS, section
from tests.test_pages import assert_fine, opened

BUTTON = "Find the groups"


def told(group: object) -> str:
    """All that a group says, its indices by their values."""
    return StoredGroups.of([group]).facts  # type: ignore[list-item]


def searched(name: str, store: Store) -> tuple[list[Progress], StoredGroups]:
    work, heard = GROUP_SEARCH.run(Model.original(loaded_sample(name)), GroupSearchKnobs(), 0, store), []
    while True:
        try:
            heard.append(next(work))
        except StopIteration as end:
            return heard, end.value


@pytest.mark.parametrize("name", ["lenet5", "resnet"])
def test_a_search_tells_how_many_of_all_groups_are_proven(name: str) -> None:
    heard, found = searched(name, Store())
    channels = [group for group in found.groups() if group.kind is not GroupKind.BLOCK]
    assert heard[0].note == "what is coupled with what"
    assert heard[-1].note == "which blocks can be left out"
    assert heard[-1].done == heard[-1].total >= len(channels)
    together = [step for step in heard if step.note == "whether all hold together"]
    assert len(together) >= 3
    assert all(0 <= step.done <= step.total for step in heard)
    assert together[-1].done > together[-3].done


def test_a_job_leaves_the_groups_that_a_page_finds() -> None:
    subject, store = loaded_sample("resnet"), Store()
    _, found = searched("resnet", Store())
    packed = ResultFiles.read(GROUP_SEARCH.pack(found).as_bytes())
    here = found_elsewhere(GROUP_SEARCH.unpack(packed), subject, store)
    assert are_found(subject, store)
    assert groups_in(subject, store) is here
    alone = groups_in(subject, Store())
    assert {name: told(group) for name, group in here.items()} == {n: told(g) for n, g in alone.items()}
    for name, group in here.items():
        for member, other in zip(group.members, alone[name].members, strict=True):
            assert member.indices.equal(other.indices)


@pytest.mark.slow
def test_a_job_finds_the_groups_of_a_model_that_its_recipe_prepares() -> None:
    subject, store = loaded_sample("resnet"), Store()
    model = compress(subject, read_recipe("prepare: [fold_batch_norm]"), store)
    found = result_of(GROUP_SEARCH.run(model, GroupSearchKnobs(), 0, store))
    assert [told(group) for group in found.groups()] == [
        told(group) for group in groups_in(model.base, store).values()
    ]


@pytest.mark.slow
@pytest.mark.parametrize("prepare", ["", "prepare: [fold_batch_norm]\n"])
def test_a_job_finds_the_groups_of_what_a_recipe_stands_on(prepare: str) -> None:
    subject, store = loaded_sample("resnet"), Store()
    halved = "groups: [{match: conv1, steps: [{technique: magnitude, share_removed: 0.5}]}]"
    parent = compress(subject, read_recipe(halved), store)
    recipe = read_recipe(prepare + halved)
    (needed,) = needed_groups(parent, recipe, store)
    (of_subject,) = needed_groups(Model.original(subject), recipe, store)
    assert needed.base.parameters < of_subject.base.parameters
    sent = read_lineage(json.loads(lineage_text(needed.searched)))
    found = result_of(GROUP_SEARCH.run(model_of(subject, sent, store), GroupSearchKnobs(), 0, Store()))
    here = groups_in(needed.base, Store())
    assert [told(group) for group in found.groups()] == [told(group) for group in here.values()]


def test_what_a_job_found_is_in_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups_found, "_WORTH_A_FILE_SECONDS", 0)
    searched("tabular", Store(workspace=Workspace.at(tmp_path)))
    assert are_found(loaded_sample("tabular"), Store(workspace=Workspace.at(tmp_path)))
    assert not are_found(loaded_sample("tabular"), Store())


def test_work_of_which_nobody_wants_the_result_ends() -> None:
    ended = threading.Event()

    def work(tell: TellProgress) -> int:
        try:
            for number in range(10**6):
                tell(Progress(number, 10**6, ""))
                time.sleep(0.001)
        except NobodyListensError:
            ended.set()
            raise
        return 1

    going_on = as_told(work)
    assert next(going_on).done == 0
    going_on.close()
    assert ended.is_set()


def test_what_work_raises_is_raised_and_what_it_returns_returned() -> None:
    def fails(tell: TellProgress) -> int:
        tell(Progress(0, 1, ""))
        raise ValueError("as it was")

    with pytest.raises(ValueError, match="as it was"):
        result_of(as_told(fails))
    assert result_of(as_told(lambda _tell: 5)) == 5


@pytest.mark.parametrize("name", ["lenet300", "lenet5", "resnet", "vit", "tabular"])
def test_nobody_waits_for_a_job_on_a_small_network(name: str) -> None:
    assert not search_takes_long(loaded_sample(name), Store())


@pytest.mark.slow
def test_a_page_shows_a_job_where_the_search_takes_long_and_then_the_groups(
    page_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page_workspace.folder is not None
    monkeypatch.setattr(search_estimate, "LONG", 0)
    page = section(opened("tune", "tabular"), GROUPS)
    assert_fine(page)
    assert not shown(page)
    (button,) = [one for one in page.button if one.label == BUTTON]
    page = button.click().run()
    deadline = time.monotonic() + 240  # a worker imports torch anew where the machine is busy
    while not shown(page) and time.monotonic() < deadline:
        time.sleep(0.5)
        page.run()
    assert_fine(page)
    free = [name for name, group in groups_in(loaded_sample("tabular"), Store()).items() if group.members]
    assert shown(page) == free
    assert not [one for one in page.button if one.label == BUTTON]


def shown(page: AppTest) -> list[str]:
    """The groups to choose from."""
    found = [box for box in page.selectbox if (box.key or "").startswith("tune.groups.one.")]
    return list(found[0].options) if found else []
