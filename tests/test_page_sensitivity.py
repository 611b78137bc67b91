"""The tab Sensitivity: what is known of a model is shown, and what is not can be measured."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest, app_test

from compress_core.apply.model import Model
from compress_core.decide.family import Family
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.foundation.progress import Progress, result_of
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.info import Info, State
from dashboard import job_panel, known_scan
from dashboard.known_scan import _scan_job, scan_job
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


def opened() -> AppTest:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    page.query_params["m"], page.query_params["tab"] = "tabular", "layer_sensitivity"
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


@pytest.mark.parametrize(
    ("stands", "begins_with"),
    [
        ({}, Family.BITS),
        ({Family.RANK: State.RUNNING}, Family.RANK),
        ({Family.RANK: State.DONE}, Family.RANK),
        ({Family.PRUNE: State.DONE, Family.RANK: State.QUEUED}, Family.RANK),
        ({Family.RANK: State.CANCELLED}, Family.BITS),
        ({Family.BITS: State.RUNNING, Family.PRUNE: State.DONE}, Family.BITS),
    ],
)
def test_a_scan_begins_with_the_family_looked_at_unless_another_is_under_way_or_has_ended(
    monkeypatch: pytest.MonkeyPatch, stands: dict[Family, State], begins_with: Family
) -> None:
    def info(key: str) -> Info:
        found = {_scan_job(VIEW, SUBJECT, family).job.key: state for family, state in stands.items()}
        return Info(key, found.get(key, State.UNKNOWN))

    monkeypatch.setattr(job_panel, "info", info)
    monkeypatch.setattr(known_scan, "_", str)
    work = scan_job(VIEW, SUBJECT, Family.BITS)
    assert ScanPlan.model_validate_json(work.job.knobs).first is begins_with


def test_a_cancelled_scan_says_that_the_button_goes_on(
    page_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(page_workspace, "1/2")
    monkeypatch.setattr(job_panel, "info", lambda key: Info(key, State.CANCELLED))
    page = opened()
    assert not page.exception
    assert "cancelled" in texts(page)
    assert "goes on from there" in texts(page)
    (button,) = (button for button in page.button if "Measure what each" in button.label)
    assert not button.disabled


def test_points_of_a_running_scan_are_drawn_where_it_is_watched(
    page_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Callable[[Info], None]] = []
    reruns: list[bool] = []
    runs = Info("scan", State.RUNNING, Progress(1, 4, "fc1"))
    monkeypatch.setattr(job_panel, "info", lambda _key: runs)
    monkeypatch.setattr(job_panel, "watch", lambda _key, shown=None: looks.append(shown))
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
