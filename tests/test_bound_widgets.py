"""What every widget of Tune has to do with the recipe: it says what stands there, whoever changed it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from compress_core.recipe.values import Step
from dashboard import state
from dashboard.state import KEY
from tests.test_page_tune import section, toggle
from tests.test_pages import assert_fine, opened, recipe_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_items")]

BOX, BITS = "tune.fc1.PRUNE.technique", "tune.fc1.QUANTIZE.technique"


def edited_elsewhere(app: AppTest, *steps: Step) -> AppTest:
    """The page after something else than its widgets gave fc1 other steps."""
    view = app.session_state[KEY]
    recipe = replace(view.recipe, layers=(("fc1", steps),) if steps else ())
    app.session_state[KEY] = state.edited(view, recipe, by_widget=True)
    return app.run()


def test_boxes_and_knobs_show_the_recipe_whoever_changed_it() -> None:
    app = opened("tune")
    assert app.selectbox(key=BOX).value == ""
    app = edited_elsewhere(app, Step.of("wanda", scope="row"), Step.of("kmeans", bits=3))
    assert (app.selectbox(key=BOX).value, app.selectbox(key=BITS).value) == ("wanda", "kmeans")
    assert app.selectbox(key="tune.fc1.PRUNE.scope").value == "row"
    app = edited_elsewhere(app, Step.of("random_pruning", seed=7))
    assert (app.selectbox(key=BOX).value, app.selectbox(key=BITS).value) == ("random_pruning", "")
    assert app.number_input(key="tune.fc1.PRUNE.seed").value == 7
    app = edited_elsewhere(app)
    assert app.selectbox(key=BOX).value == ""
    assert_fine(app)


def test_another_technique_keeps_the_value_that_was_set() -> None:
    steps = [Step.of("magnitude", sparsity=0.9, scope="row").as_json(), Step.of("uniform", bits=4).as_json()]
    app = opened("tune", recipe=[["fc1", steps]])
    app = app.selectbox(key=BOX).set_value("random_pruning").run()
    app = app.selectbox(key=BITS).set_value("kmeans").run()
    pruned, quantized = recipe_of(app).by_layer["fc1"]
    assert pruned.as_json() == {"technique": "random_pruning", "sparsity": 0.9, "scope": "row"}
    assert (quantized.technique, dict(quantized.knobs)["bits"]) == ("kmeans", 4)
    app = app.selectbox(key=BOX).set_value("sparsegpt").run()
    assert recipe_of(app).by_layer["fc1"][0].as_json() == {"technique": "sparsegpt", "sparsity": 0.9}


def test_what_was_refused_stays_in_its_widget_with_the_sentence_until_something_else_is_tried() -> None:
    app = opened("tune", "lenet5")
    box = "tune.fc1.FACTOR.technique"
    app = app.selectbox(key=box).set_value("spatial").run()
    assert app.selectbox(key=box).value == "spatial"
    assert len(app.warning) == 1
    assert not recipe_of(app)
    app = app.selectbox(key="tune.fc1.PRUNE.technique").set_value("magnitude").run()
    assert app.selectbox(key=box).value == ""
    assert not app.warning


def test_one_knob_for_many_layers_shows_what_they_have_in_common() -> None:
    rows = [[name, [Step.of("wanda", sparsity=0.7).as_json()]] for name in ("fc1", "fc2", "fc3")]
    app = opened("tune", recipe=rows)
    assert app.select_slider(key="rules.prune").value == 70
    assert app.selectbox(key="rules.criterion").value == "wanda"
    app = app.selectbox(key="rules.criterion").set_value("magnitude").run()
    assert {s.technique for _, steps in recipe_of(app).layers for s in steps} == {"magnitude"}
    assert {s.as_json()["sparsity"] for _, steps in recipe_of(app).layers for s in steps} == {0.7}
    app.button(key="slimscope.undo").click().run()
    assert app.selectbox(key="rules.criterion").value == "wanda"
    app = toggle(section(app, "Before and after"), "bias_correction")
    app.button(key="slimscope.undo").click().run()
    assert not app.toggle(key="tune.whole.bias_correction").value
    assert_fine(app)
