"""Tune says at every place of a slider what it is estimated to cost, once the model was scanned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from compress_core.apply.model import Model
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from dashboard.live_slider.live_table import LiveTable, Readout
from dashboard.tune import bits_knob, prune_knob, rank_knob
from tests.subjects import loaded_sample
from tests.test_architecture import ROOT

pytestmark = pytest.mark.slow

Tables = dict[str, LiveTable]


@pytest.fixture
def tables(page_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Tables:
    """What every slider was given, by its label."""
    found: Tables = {}

    def live_slider(label: str, table: LiveTable, **given: Any) -> float:
        found[label] = table
        return float(given["value"])

    for module in (prune_knob, rank_knob, bits_knob):
        monkeypatch.setattr(module, "live_slider", live_slider)
    return found


def opened() -> AppTest:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    page.query_params["m"] = "tabular"
    page.run()
    return page.switch_page("pages/tune.py").run()


def costs(table: LiveTable) -> list[Readout]:
    return [readout for readout in table.readouts if readout.label == "Accuracy change"]


def test_a_model_that_was_not_scanned_has_no_estimates(tables: Tables) -> None:
    assert not opened().exception
    assert tables
    assert not any(costs(table) for table in tables.values())


def test_every_slider_of_a_scanned_model_says_what_each_place_is_estimated_to_cost(
    page_workspace: Workspace, tables: Tables
) -> None:
    result_of(
        scan(Model.original(loaded_sample("tabular")), ScanPlan(points=3), Store(workspace=page_workspace))
    )
    assert not opened().exception
    assert len(tables) == 3
    for table in tables.values():
        (cost,) = costs(table)
        values = np.asarray(cost.values, float)
        assert cost.kind == "estimated"
        assert values.max() == 0, "where nothing is done nothing is lost"
        assert values.min() < 0
