"""The tab Sensitivity: what is known of a model is shown, and what is not can be measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest, app_test
from streamlit.testing.v1.element_tree import Button

from compress_core.apply.model import Model
from compress_core.decide.family import Family
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.scan_trials import trials_of
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress, result_of
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.info import Info, State
from compress_core.jobs.job import Job
from compress_core.jobs.whereabouts import JobStage, Whereabouts
from compress_core.tasks.scan_layers import SCAN
from dashboard import job_panel, known_scan
from dashboard.figures.sensitivity_curves import DegreesTried
from dashboard.known_scan import scan_job
from dashboard.trade_offs import rows_to_come
from dashboard.trade_offs.rows_to_come import AT_THE_LATEST_S, RowsToCome
from dashboard.trade_offs.tabs import layer_sensitivity
from dashboard.tune.layer_table import _footnote
from dashboard.view import View
from tests.navigated import Navigated
from tests.subjects import loaded_sample
from tests.test_architecture import ROOT

SUBJECT, VIEW = loaded_sample("tabular"), View("tabular", (), "fc1")
pytestmark = pytest.mark.slow


def opened(**more: str) -> AppTest:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, said in {"m": "tabular", "tab": "layer_sensitivity", **more}.items():
        page.query_params[name] = said
    page.run()
    return page.switch_page("pages/trade_offs.py").run()


def texts(page: AppTest) -> str:
    return " ".join(str(found.value) for found in (*page.caption, *page.info, *page.markdown))


def measured(workspace: Workspace, shard: str) -> None:
    plan = ScanPlan(points=3, shard=shard)
    result_of(scan(Model.original(loaded_sample("tabular")), plan, Store(workspace=workspace)))


def test_before_a_scan_the_tab_says_what_is_measured(page_workspace: Workspace) -> None:
    page = opened()
    assert page_workspace.folder is not None
    assert not page.exception
    assert "compressed alone" in texts(page)
    assert any("Measure what each layer bears" in button.label for button in page.button)


def test_points_of_an_unfinished_scan_stand_there_with_their_words(page_workspace: Workspace) -> None:
    measured(page_workspace, "1/2")
    page = opened()
    assert not page.exception
    (table,) = page.dataframe
    assert {"low", "medium", "high"} & set(table.value["Sensitivity"])
    assert "0.01 nat" in texts(page)
    assert "the button measures only that" in texts(page)


@pytest.mark.parametrize("family", [Family.RANK, Family.STRUCTURE])
def test_cells_of_an_unfinished_scan_stand_at_the_degrees_that_are_tried(
    page_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, family: Family
) -> None:
    result_of(scan(Model.original(SUBJECT), ScanPlan(shard="2/3"), Store(workspace=page_workspace)))
    asked: list[DegreesTried] = []
    drawn = layer_sensitivity.sensitivity_map
    monkeypatch.setattr(
        layer_sensitivity,
        "sensitivity_map",
        lambda curves, tried, *, dark: (asked.append(tried), drawn(curves, tried, dark=dark))[1],
    )
    page = opened()
    page = page.button_group(key="trade_offs.scan.family").set_value(family.value).run()
    assert not page.exception
    trials = [trial for trial in trials_of(Model.original(SUBJECT), ScanPlan(), Store()) if not trial.refused]
    of_family = [trial for trial in trials if trial.family is family]
    assert of_family
    assert all(trial.value in asked[-1][trial.place] for trial in of_family)


def test_what_becomes_of_answers_leads_to_the_errors_of_outputs(
    page_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_test, "PagesManager", Navigated)
    measured(page_workspace, "1/2")
    page = opened()
    assert "own output" in texts(page)
    page = page.button(key="which_layer.by_output").click().run()
    assert not page.exception
    assert "by output error, which is not accuracy" in texts(page)


def test_the_layer_table_says_of_which_four_ways_its_sensitivity_is_the_worst() -> None:
    model = Model.original(loaded_sample("tabular"))
    assert "the worst of fewer weights, channels, rank and bits" in _footnote(model, is_scanned=True)
    assert "worst" not in _footnote(model, is_scanned=False)


def test_a_scan_is_one_job_whatever_comes_first_and_begins_with_what_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(known_scan, "_", str)
    jobs = [scan_job(VIEW, SUBJECT, family).job for family in Family]
    assert len({job.key for job in jobs}) == 1
    assert [SCAN.knobs_of(job).first for job in jobs] == list(Family)
    assert scan_job(replace(VIEW, locked=frozenset({"fc1"})), SUBJECT, Family.PRUNE).job.key != jobs[0].key


def test_who_presses_while_the_scan_of_another_family_runs_joins_it_even_after_a_cancel(
    page_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page_workspace.folder is not None
    asked: list[Job] = []
    runs = SimpleNamespace(
        info=lambda key: Info(key, State.RUNNING, Progress(1, 4, "fc1"), watchers=2),
        submit=lambda job, _watcher: asked.append(job),
        cancel=lambda _key, _watcher: None,
    )
    monkeypatch.setattr(job_panel, "runner", lambda: runs)
    monkeypatch.setattr(known_scan, "_", str)
    page = opened()
    (cancel,) = (button for button in page.button if button.label == "Cancel")
    measured(page_workspace, "1/2")
    page = cancel.click().run()
    assert "it goes on for others" in texts(page)
    assert "The scan was cancelled" not in texts(page)
    page = page.button_group(key="trade_offs.scan.family").set_value(Family.BITS.value).run()
    measure = measure_button(page)
    assert not page.exception
    assert not measure.disabled
    page = measure.click().run()
    assert [SCAN.knobs_of(job).first for job in asked] == [Family.BITS]
    assert {job.key for job in asked} == {scan_job(VIEW, SUBJECT, Family.PRUNE).job.key}
    assert measure_button(page).disabled, "it is under way for this visitor again"


def measure_button(page: AppTest) -> Button:
    (button,) = (button for button in page.button if "Measure what each" in button.label)
    return button


def test_a_scan_that_failed_says_why_whatever_family_is_chosen(
    page_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page_workspace.folder is not None
    why = Refused("The disk is full.")
    failed = scan_job(VIEW, SUBJECT, Family.PRUNE).job.key

    def info(key: str) -> Info:
        return Info(key, State.FAILED, problem=why) if key == failed else Info(key, State.UNKNOWN)

    monkeypatch.setattr(job_panel, "info", info)
    page = opened()
    for family in (Family.PRUNE, Family.RANK):
        page = page.button_group(key="trade_offs.scan.family").set_value(family.value).run()
        assert any("disk is full" in found.value.replace("\\", "") for found in page.warning)


@pytest.mark.parametrize(
    ("where", "told"),
    [(None, True), (Whereabouts("cluster", JobStage.RUNNING), False)],
    ids=["here", "there"],
)
def test_passes_are_told_of_a_scan_of_this_machine_whose_numbers_are_of_one_pass(
    page_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, where: Whereabouts | None, *, told: bool
) -> None:
    assert page_workspace.folder is not None
    monkeypatch.setattr(
        job_panel, "info", lambda key: Info(key, State.RUNNING, Progress(1, 4, "fc1"), where=where)
    )
    monkeypatch.setattr(layer_sensitivity, "plan_of", lambda _view: ScanPlan(sample=50))
    page = opened()
    assert not page.exception
    assert ("pass under way" in texts(page)) is told


def test_no_button_leads_to_a_tab_that_the_link_hides(page_workspace: Workspace) -> None:
    measured(page_workspace, "1/2")
    page = opened(hide="tabs")
    assert not page.exception
    assert "own output" in texts(page)
    assert not [button for button in page.button if button.key == "which_layer.by_output"]


def test_a_cancelled_scan_says_that_the_button_goes_on(
    page_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(page_workspace, "1/2")
    monkeypatch.setattr(job_panel, "info", lambda key: Info(key, State.CANCELLED))
    page = opened()
    assert not page.exception
    assert "cancelled" in texts(page)
    assert "measures only what is missing" in texts(page)
    (button,) = (button for button in page.button if "Measure what each" in button.label)
    assert not button.disabled


@pytest.mark.parametrize(("watchers", "goes_on"), [(1, True), (0, False)])
def test_a_job_that_was_cancelled_goes_on_only_where_somebody_else_waits_for_it(
    watchers: int, goes_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Info("scan", State.RUNNING, Progress(1, 4, "fc1"), watchers=watchers)
    monkeypatch.setattr(job_panel, "runner", lambda: SimpleNamespace(info=lambda _key: found))
    monkeypatch.setattr(job_panel, "is_unwanted", lambda _key: True)
    assert job_panel.goes_on_for_others("scan") == goes_on
    assert (job_panel.info("scan").state is State.CANCELLED) == goes_on


def test_points_of_a_running_scan_are_drawn_where_it_is_watched(
    page_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Callable[[Info], None]] = []
    reruns: list[bool] = []
    runs = Info("scan", State.RUNNING, Progress(1, 4, "fc1"))
    monkeypatch.setattr(job_panel, "info", lambda _key: runs)

    def watch(_key: str, shown: Callable[[Info], None]) -> None:
        looks.append(shown)
        shown(runs)

    monkeypatch.setattr(job_panel, "watch", watch)
    monkeypatch.setattr(rows_to_come, "st", SimpleNamespace(rerun=lambda: reruns.append(True)))
    monkeypatch.setattr(layer_sensitivity, "plan_of", lambda _view: ScanPlan(sample=50))
    page = opened()
    looks[-1](runs)
    assert not page.dataframe
    assert "at most 3 times as long" in texts(page)
    assert not reruns, "there is nothing to draw yet"
    measured(page_workspace, "1/2")
    looks[-1](runs)
    assert reruns == [True]
    page.run()
    assert not page.exception
    assert page.dataframe
    assert "pass under way" in texts(page)
    looks[-1](runs)
    assert reruns == [True], "what is known stands there"


@pytest.mark.parametrize(
    ("drawn", "known", "after_s", "is_worth_it"),
    [
        (0, 0, 60, False),
        (0, 1, 0, True),
        (100, 100, 60, False),
        (100, 101, AT_THE_LATEST_S - 1, False),
        (100, 125, 0, True),
        (100, 101, AT_THE_LATEST_S, True),
    ],
)
def test_a_page_is_drawn_anew_for_many_points_at_once_and_for_few_after_a_while(
    drawn: int, known: int, after_s: float, is_worth_it: bool
) -> None:
    assert RowsToCome("parent", drawn, at=5.0).is_worth_it(known, 5.0 + after_s) is is_worth_it
