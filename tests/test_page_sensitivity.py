"""The tab Sensitivity: what is known of a model is shown, and what is not can be measured."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from compress_core.apply.model import Model
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from tests.subjects import loaded_sample
from tests.test_architecture import ROOT

pytestmark = pytest.mark.slow


def opened() -> AppTest:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    page.query_params["m"], page.query_params["tab"] = "tabular", "layer_sensitivity"
    page.run()
    return page.switch_page("pages/trade_offs.py").run()


def texts(page: AppTest) -> str:
    return " ".join(str(found.value) for found in (*page.caption, *page.info, *page.markdown))


def test_before_a_scan_the_tab_says_what_is_measured(page_workspace: Workspace) -> None:
    page = opened()
    assert page_workspace.folder is not None
    assert not page.exception
    assert "compressed alone" in texts(page)
    assert any("Measure what each layer bears" in button.label for button in page.button)


def test_points_of_an_unfinished_scan_stand_there_with_their_words(page_workspace: Workspace) -> None:
    plan = ScanPlan(points=3, shard="1/2")
    result_of(scan(Model.original(loaded_sample("tabular")), plan, Store(workspace=page_workspace)))
    page = opened()
    assert not page.exception
    (table,) = page.dataframe
    assert {"low", "medium", "high"} & set(table.value["Sensitivity"])
    assert "0.01 nat" in texts(page)
