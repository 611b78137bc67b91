"""The page Trade-offs: models seen by a visitor stand on the map, are picked, gone to and compared."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest, app_test

from compress_core.apply.run import key_of
from compress_core.recipe.values import Step
from dashboard import engine, header, state
from dashboard.trade_offs import known_models
from dashboard.visitor import _KEY
from tests.navigated import Navigated
from tests.test_pages import assert_fine, opened

pytestmark = pytest.mark.slow

PRUNED = [["fc1", [Step.of("magnitude", sparsity=0.9).as_json()]]]
PICKED = "trade_offs.picked"


@pytest.fixture(autouse=True)
def _as_a_server_knows_its_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_test, "PagesManager", Navigated)
    monkeypatch.setattr(header, "_fill_accuracy", lambda *_arguments: None)  # tested elsewhere
    monkeypatch.setattr(known_models, "PATIENCE_S", engine.PATIENCE_S)  # of tests; see tests/conftest.py


def said(app: AppTest) -> str:
    """All text of the page."""
    groups = (app.markdown, app.caption, app.info, app.warning)
    return "\n".join(str(one.value) for group in groups for one in group)


def test_models_are_picked_compared_tagged_and_gone_to_and_a_link_says_which() -> None:
    app = opened("trade_offs", recipe=PRUNED)
    assert_fine(app)
    here = state_key(app)
    options = app.multiselect(key=PICKED).options
    assert len(options) == 2, "the original, and the model of the link"
    original = next(label for label in options if label.startswith("original"))
    app.multiselect(key=PICKED).set_value(sorted(options, key=lambda label: label != original)).run()
    assert_fine(app)
    words = app.query_params["picked"]
    assert len((words if isinstance(words, str) else words[0]).split(".")) == 2
    tag = app.text_input(key=f"trade_offs.actions.tag.{here[:12]}")
    tag.set_value("keep").run()
    assert "badge" in said(app)
    app.button(key="trade_offs.compare").click().run()
    assert_fine(app)
    numbers = next(table.value for table in app.table if "A · original" in table.value.columns)
    assert [str(column)[:3] for column in numbers.columns[1:]] == ["A ·", "B ·"]
    assert "Accuracy change" in set(numbers[""])
    assert "another class on" in said(app)
    app.session_state["slimscope.choice.tab"] = "all_models"
    for below in ("lineage", "measures"):
        app.session_state["slimscope.choice.below"] = below
        assert_fine(app.run())
    root = next(b for b in app.button if str(b.key).startswith("trade_offs.actions.go") and not b.disabled)
    root.click().run()
    assert_fine(app)
    assert app.session_state[state.KEY].lineage == ()
    me = app.session_state[_KEY]
    app.session_state[_KEY] = "0" * 32  # another visitor of the same server
    app.run()
    assert_fine(app)
    assert "badge" not in said(app)
    assert len(app.multiselect(key=PICKED).options) == 1, "what others made is theirs"
    app.session_state[_KEY] = me
    app.run()
    app.button(key=f"trade_offs.actions.delete.{here[:12]}").click().run()
    assert_fine(app)
    assert len(app.multiselect(key=PICKED).options) == 1, "it was deleted by who made it"


def state_key(app: AppTest) -> str:
    """The key of the model that is open."""
    view = app.session_state[state.KEY]
    return key_of(engine.sample(view.model), view.lineage)


def test_a_choice_stands_in_the_address_before_its_run_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a job was at work, whoever loaded the page anew a second later saw what was chosen before."""
    app = opened("trade_offs", recipe=PRUNED)
    assert_fine(app)
    axis = app.selectbox(key="trade_offs.across")
    monkeypatch.setattr("dashboard.page_address.write", lambda: None)  # the run is cut off before that
    axis.set_value("accuracy").run()
    assert app.query_params["across"] in ("accuracy", ["accuracy"])
    app.segmented_control(key="trade_offs.below").set_value("lineage").run()
    assert app.query_params["below"] in ("lineage", ["lineage"])
    app.segmented_control(key="trade_offs.below").set_value("table").run()
    assert "below" not in app.query_params, "what is usual stands in none"
