"""The tab Search: what it asks for, and a recipe of its front that becomes the visitor's."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from compress_core.apply.model import Model
from compress_core.decide.search_plan import SearchPlan
from compress_core.foundation.progress import result_of
from compress_core.foundation.release import lasting_key
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.job_records import KIND
from compress_core.tasks.search_recipes import SEARCH
from dashboard import job_panel as jobs
from dashboard.state import KEY
from dashboard.trade_offs.tabs.recipe_search import PLAN
from tests.subjects import loaded_sample
from tests.test_architecture import ROOT

pytestmark = pytest.mark.slow
SMALL = SearchPlan(trials=40, evaluations=4)


def test_a_recipe_of_the_front_becomes_the_visitors_and_the_estimates_stand_beside_what_was_run(
    page_workspace: Workspace,
) -> None:
    parent = Model.original(loaded_sample("tabular"))
    found = result_of(SEARCH.run(parent, SMALL, 0, Store(workspace=page_workspace)))
    job = jobs.job_of(SEARCH, parent, SMALL, 0)
    page_workspace.results.keep(lasting_key(job.key), KIND, SEARCH.pack(found).as_bytes())
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    page.query_params["m"], page.query_params["tab"] = "tabular", "recipe_search"
    page.session_state[PLAN] = SMALL
    page.run()
    page = page.switch_page("pages/trade_offs.py").run()
    assert not page.exception
    said = " ".join(str(each.value) for each in (*page.caption, *page.markdown))
    assert f"{found.searched} recipes searched, {len(found.evaluated)} evaluated" in said
    assert "recipes were estimated, then run" in said
    figure = json.loads(
        next(each for each in page.get("plotly_chart") if "front" in each.proto.id).proto.spec
    )
    assert figure["layout"]["xaxis"]["title"]["text"] == "Packed file (KiB)"
    again = len(found.looked) - found.searched
    assert again > 0, "else nothing is tried here"
    assert f"{again} of the {SMALL.trials} trials proposed a recipe that an earlier one" in said
    assert f"{len({each.positions for each in found.of_solver})} recipes to begin with" in said
    page.button(key="search.take").click().run()
    best = found.front[0].evaluated
    assert best is not None
    assert page.session_state[KEY].recipe.sha == best.recipe.sha
