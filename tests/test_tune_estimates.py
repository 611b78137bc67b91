"""Tune says at every place of a slider what it is estimated to cost, once the model was scanned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from compress_core.apply.model import Model
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.recipe.values import Step
from dashboard import header_numbers
from dashboard.links import encoded
from dashboard.live_slider.live_table import LiveTable, MeasuredHere, Readout
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


def opened(recipe: object = None) -> AppTest:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    page.query_params["m"] = "tabular"
    page.query_params["r"] = encoded(recipe)
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
        assert cost.here is None, "nothing is done, so nothing was measured"


UNLIKE_ANY_SCAN = (Step.of("random_pruning", sparsity=0.9), Step.of("uniform", bits=4))


@pytest.mark.parametrize("steps", [(Step.of("magnitude", sparsity=0.9),), UNLIKE_ANY_SCAN])
def test_where_the_recipe_stands_every_slider_says_what_the_header_measured_and_no_estimate(
    page_workspace: Workspace, tables: Tables, steps: tuple[Step, ...]
) -> None:
    subject = loaded_sample("tabular")
    result_of(scan(Model.original(subject), ScanPlan(points=3), Store(workspace=page_workspace)))
    layer = subject.layers[0].name
    app = opened([[layer, [step.as_json() for step in steps]]])
    assert not app.exception
    found = app.session_state[header_numbers._LAST]
    assert found.freshness is header_numbers.Freshness.EXACT
    value = found.numbers["accuracy_change"].value
    measured = [cost.here for table in tables.values() for cost in costs(table)]
    assert [None if here is None else here.value for here in measured] == [value] * 3
    for here in measured:
        assert isinstance(here, MeasuredHere)
        assert f"N = {found.items:,} of {found.all_items:,}" in here.note


def test_numbers_of_the_recipe_before_are_not_said_to_be_measured_with_this_one(
    page_workspace: Workspace, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = loaded_sample("tabular")
    result_of(scan(Model.original(subject), ScanPlan(points=3), Store(workspace=page_workspace)))
    last = header_numbers._last
    monkeypatch.setattr(header_numbers, "_last", lambda model: _stale(last(model)))
    assert not opened([[subject.layers[0].name, [Step.of("uniform", bits=4).as_json()]]]).exception
    assert {cost.here for table in tables.values() for cost in costs(table)} == {None}


def _stale(found: header_numbers.HeaderNumbers | None) -> header_numbers.HeaderNumbers | None:
    return found and replace(found, freshness=header_numbers.Freshness.STALE)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step.of("uniform", bits=4), ["Weights", "Bytes at 32 bits"]),
        (Step.of("magnitude", sparsity=0.9), ["Dense weights", "Dense bytes"]),
    ],
)
def test_the_rank_knob_says_of_a_pruned_layer_that_it_counts_dense_weights(
    tables: Tables, step: Step, words: list[str]
) -> None:
    opened([[loaded_sample("tabular").layers[0].name, [step.as_json()]]])
    assert [readout.label for readout in tables["Rank kept"].readouts[:2]] == words
    assert all("Before pruning" in readout.note for readout in tables["Rank kept"].readouts[:2])


@pytest.mark.parametrize(
    ("beside", "header", "wanted"),
    [
        (None, header_numbers.Freshness.QUICK, True),
        (None, header_numbers.Freshness.EXACT, True),
        (header_numbers.Freshness.QUICK, header_numbers.Freshness.EXACT, True),
        (header_numbers.Freshness.EXACT, header_numbers.Freshness.EXACT, False),
        (None, header_numbers.Freshness.STALE, False),
        (None, None, False),
    ],
)
def test_a_page_is_drawn_anew_once_where_the_header_has_better_numbers_than_those_beside_its_estimates(
    beside: header_numbers.Freshness | None,
    header: header_numbers.Freshness | None,
    wanted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Model.original(loaded_sample("tabular"))
    monkeypatch.setattr(header_numbers.engine, "others_wait", lambda: False)
    monkeypatch.setattr(st, "session_state", {header_numbers._BESIDE: (model.key, beside)})
    assert header_numbers.is_overtaken(model, header) == wanted
    assert not header_numbers.is_overtaken(model, header), "it is said once"


@pytest.mark.parametrize("freshness", [header_numbers.Freshness.QUICK, header_numbers.Freshness.EXACT])
def test_where_others_wait_only_numbers_of_all_items_draw_a_page_anew(
    freshness: header_numbers.Freshness, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model.original(loaded_sample("tabular"))
    monkeypatch.setattr(header_numbers.engine, "others_wait", lambda: True)
    monkeypatch.setattr(st, "session_state", {header_numbers._BESIDE: (model.key, None)})
    assert header_numbers.is_overtaken(model, freshness) == (freshness is header_numbers.Freshness.EXACT)


def test_numbers_beside_the_estimates_of_another_model_draw_no_page_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(st, "session_state", {header_numbers._BESIDE: ("another", None)})
    model = Model.original(loaded_sample("tabular"))
    assert not header_numbers.is_overtaken(model, header_numbers.Freshness.EXACT)


def test_an_unchanged_model_waits_for_no_numbers_that_it_would_not_show(
    page_workspace: Workspace, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = loaded_sample("tabular")
    result_of(scan(Model.original(subject), ScanPlan(points=3), Store(workspace=page_workspace)))
    asked = list[Model]()
    monkeypatch.setattr(header_numbers, "of_this_recipe", asked.append)
    assert not opened().exception
    assert all(costs(table) for table in tables.values())
    assert asked == []
