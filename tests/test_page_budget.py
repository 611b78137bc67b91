"""The tab Budget: every budget looked up, rows that stay, and a solved recipe that becomes the visitor's."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from compress_core.apply.model import Model
from compress_core.decide.budget_found import BudgetFound
from compress_core.decide.budgeting import FAMILIES, BudgetPlan
from compress_core.decide.option_table import OptionTable
from compress_core.decide.requirements import Aim, Requirements
from compress_core.decide.scan_plan import ScanPlan
from compress_core.foundation.progress import result_of
from compress_core.foundation.release import lasting_key
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.job import Job
from compress_core.jobs.job_records import KIND
from compress_core.jobs.task import ResultFiles
from compress_core.tasks.solve_budget import BUDGET
from compress_core.tasks.weigh_options import OPTIONS
from dashboard import job_panel as jobs
from dashboard.state import KEY
from dashboard.trade_offs.budget_options import HELD, LOCKS
from dashboard.trade_offs.budget_wish import SLIDER, TYPED
from dashboard.tune.recipe_words import step_words
from tests.subjects import loaded_sample
from tests.test_architecture import ROOT

pytestmark = pytest.mark.slow
PLAN = ScanPlan(families=FAMILIES)


def done(workspace: Workspace, job: Job, result: ResultFiles) -> None:
    """Keep what a worker would have left of a job."""
    workspace.results.keep(lasting_key(job.key), KIND, result.as_bytes())


def shown(page: AppTest) -> dict[str, str]:
    """What the table of the tab says is done to each layer."""
    (table,) = [each.value for each in page.dataframe if "What is done" in each.value.columns]
    return dict(zip(table["Layer"], table["What is done"], strict=True))


def test_a_budget_fills_the_recipe_in_a_locked_row_stays_and_what_was_solved_is_taken_over(
    page_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, store = Model.original(loaded_sample("tabular")), Store(workspace=page_workspace)
    table: OptionTable = result_of(OPTIONS.run(parent, PLAN, 0, store))
    assert OPTIONS.unpack(ResultFiles.read(OPTIONS.pack(table).as_bytes())) == table
    done(page_workspace, jobs.job_of(OPTIONS, parent, PLAN, 0), OPTIONS.pack(table))
    budget = round(0.4 * table.original.packed_bytes)
    asked = BudgetPlan(requirements=Requirements(packed_bytes=budget), scan=PLAN)
    found: BudgetFound = result_of(BUDGET.run(parent, asked, 0, store))
    assert found.cost["packed_bytes"] <= budget
    done(page_workspace, jobs.job_of(BUDGET, parent, asked, 0), BUDGET.pack(found))

    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    page.query_params["m"], page.query_params["tab"] = "tabular", "budget_solver"
    page.query_params["budget"] = str(budget)
    page.run()
    page = page.switch_page("pages/trade_offs.py").run()
    assert not page.exception
    assert page.number_input(key=TYPED).value == budget
    said = page.select_slider(key=SLIDER).options
    assert len(set(said)) == len(said), "a browser tells by its words where the slider stands"
    assert f"{budget:,} bytes" in said
    page.button(key="budget.take").click().run()
    assert page.session_state[KEY].recipe.sha == found.recipe.sha

    before, (first, *_others) = shown(page), table.layers
    solved = [place.options[0].steps for place in table.held(found.chosen).layers]
    assert list(before.values()) == ["; ".join(map(step_words, steps)) or "as it is" for steps in solved]
    page.multiselect(key=LOCKS).select(first.key).run()
    assert set(page.session_state[HELD]) == {first.key}
    page.number_input(key=TYPED).set_value(2 * budget).run()
    after = shown(page)
    assert after[first.place] == before[first.place], "locked rows take what they had"
    assert after != before, "the others take what is best for the new budget"
    started: list[Job] = []
    monkeypatch.setattr(jobs, "submit", lambda job, *_said: started.append(job))
    page.number_input(key=TYPED).set_value(3 * budget)
    page.button(key="budget.solve").click().run()
    assert [BUDGET.knobs_of(job).requirements.packed_bytes for job in started] == [3 * budget]
    page.session_state["slimscope.choice.wish"] = "drop"
    page.run().number_input(key="budget.worst_class").set_value(4.0).run()
    page.button(key="budget.solve").click().run()
    wanted = BUDGET.knobs_of(started[-1]).requirements
    assert (wanted.optimize, wanted.worst_class, wanted.packed_bytes) == (Aim.PACKED_BYTES, 4.0, None)
    assert "worst_class:4.0" in page.query_params["hold"]
    page.session_state["slimscope.choice.wish"] = "size"
    page.run().number_input(key=TYPED).set_value(1).run()
    assert not page.exception
    assert any("cannot be reached" in str(each.value) for each in page.warning)
