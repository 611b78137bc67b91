"""The tab Budget: every budget looked up, rows that stay, and a solved recipe that becomes the visitor's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from compress_core.apply.model import Model
from compress_core.decide.budget_found import BudgetFound
from compress_core.decide.budgeting import FAMILIES, BudgetPlan
from compress_core.decide.option_table import OptionTable
from compress_core.decide.requirements import Requirements
from compress_core.decide.scan_plan import ScanPlan
from compress_core.foundation.progress import result_of
from compress_core.foundation.release import lasting_key
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.folder import VARIABLE
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.job import Job
from compress_core.jobs.job_records import KIND
from compress_core.jobs.task import ResultFiles
from compress_core.loading.samples import load_sample
from compress_core.tasks.solve_budget import BUDGET
from compress_core.tasks.weigh_options import OPTIONS
from dashboard import engine
from dashboard import job_panel as jobs
from dashboard.state import KEY
from dashboard.trade_offs.tabs.budget_solver import HELD, LOCKS, TYPED
from tests.test_architecture import ROOT

pytestmark = pytest.mark.slow
PLAN = ScanPlan(families=FAMILIES)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """The server's own, on the disk."""
    st.cache_resource.clear()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(VARIABLE, str(tmp_path))
        yield engine.workspace()
        jobs.runner().close()
    st.cache_resource.clear()


def done(workspace: Workspace, job: Job, result: ResultFiles) -> None:
    """Keep what a worker would have left of a job."""
    workspace.results.keep(lasting_key(job.key), KIND, result.as_bytes())


def shown(page: AppTest) -> dict[str, str]:
    """What the table of the tab says is done to each layer."""
    (table,) = [each.value for each in page.dataframe if "What is done" in each.value.columns]
    return dict(zip(table["Layer"], table["What is done"], strict=True))


def test_a_budget_fills_the_recipe_in_a_locked_row_stays_and_what_was_solved_is_taken_over(
    workspace: Workspace,
) -> None:
    parent, store = Model.original(load_sample("tabular")), Store(workspace=workspace)
    table: OptionTable = result_of(OPTIONS.run(parent, PLAN, 0, store))
    assert OPTIONS.unpack(ResultFiles.read(OPTIONS.pack(table).as_bytes())) == table
    done(workspace, jobs.job_of(OPTIONS, parent, PLAN, 0), OPTIONS.pack(table))
    budget = round(0.4 * table.original.packed_bytes)
    asked = BudgetPlan(requirements=Requirements(packed_bytes=budget), scan=PLAN)
    found: BudgetFound = result_of(BUDGET.run(parent, asked, 0, store))
    assert found.cost["packed_bytes"] <= budget
    done(workspace, jobs.job_of(BUDGET, parent, asked, 0), BUDGET.pack(found))

    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    page.query_params["m"], page.query_params["tab"] = "tabular", "budget_solver"
    page.query_params["budget"] = str(budget)
    page.run()
    page = page.switch_page("pages/trade_offs.py").run()
    assert not page.exception
    assert page.number_input(key=TYPED).value == budget
    page.button(key="budget.take").click().run()
    assert page.session_state[KEY].recipe.sha == found.recipe.sha

    before, (first, *_others) = shown(page), table.layers
    page.multiselect(key=LOCKS).select(first.key).run()
    assert set(page.session_state[HELD]) == {first.key}
    page.number_input(key=TYPED).set_value(2 * budget).run()
    after = shown(page)
    assert after[first.place] == before[first.place], "locked rows take what they had"
    assert after != before, "the others take what is best for the new budget"
    page.number_input(key=TYPED).set_value(1).run()
    assert not page.exception
    assert any("cannot be reached" in str(each.value) for each in page.warning)
