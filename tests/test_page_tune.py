"""The parts of Tune that concern groups, the whole network, inputs and many quantizers at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from compress_core.recipe.values import Step
from dashboard.live_slider.live_table import Moves
from dashboard.state import KEY
from dashboard.tune import coupled_groups as groups
from dashboard.tune import group_share
from dashboard.tune import quantizer_comparison as quantizers
from tests.layer_rows import choose
from tests.subjects import loaded_sample
from tests.test_pages import APP, assert_fine, opened, recipe_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_items")]

SECTIONS, GROUPS = "tune.sections", "What shrinks together"
CUT = {"groups": [["conv1", [{"technique": "magnitude", "share_removed": 0.5}]]], "layers": []}


def by_key(widgets: object, part: str) -> str:
    """The key of the one widget whose key holds this."""
    found = [w.key for w in widgets if w.key and part in w.key]  # type: ignore[attr-defined]
    assert len(found) == 1, found
    return str(found[0])


def section(app: AppTest, title: str) -> AppTest:
    """The page with a section below it open."""
    app.session_state[SECTIONS] = title
    return app.run()


def test_groups_are_looked_for_only_once_the_section_is_open() -> None:
    app = opened("tune", "lenet5")
    assert not [w for w in app.selectbox if (w.key or "").startswith(groups.KEY)]
    app.session_state[SECTIONS] = GROUPS
    assert_fine(app.run())
    assert app.selectbox(key=by_key(app.selectbox, f"{groups.KEY}.one.")).options == [
        "conv1",
        "conv2",
        "fc1",
        "fc2",
    ]


def test_blocks_are_left_out_and_put_back_with_a_click() -> None:
    app = section(opened("tune", "resnet", CUT), GROUPS)
    blocks = by_key(app.button_group, ".blocks")
    assert_fine(app.button_group(key=blocks).set_value(["layer2"]).run())
    assert dict(recipe_of(app).groups).keys() == {"conv1", "layer2"}
    app = choose(app, "layer2.conv1")
    assert any("left out" in info.value for info in app.info)
    blocks = by_key(app.button_group, ".blocks")
    assert_fine(app.button_group(key=blocks).set_value([]).run())
    assert dict(recipe_of(app).groups).keys() == {"conv1"}


def test_knobs_of_a_group_follow_its_declaration() -> None:
    app = choose(section(opened("tune", "resnet", CUT), GROUPS), "conv1")
    multiple = by_key(app.number_input, "multiple_of")
    assert_fine(app.number_input(key=multiple).set_value(8).run())
    technique = by_key(app.selectbox, "conv1.technique")
    assert_fine(app.selectbox(key=technique).set_value("geometric_median").run())
    (step,) = dict(recipe_of(app).groups)["conv1"]
    assert step.as_json() == {"technique": "geometric_median", "multiple_of": 8}


def test_criterion_that_cannot_serve_a_group_is_refused_in_words() -> None:
    app = choose(section(opened("tune", "lenet5", CUT), GROUPS), "conv1")
    technique = by_key(app.selectbox, "conv1.technique")
    app.selectbox(key=technique).set_value("batch_norm_scale").run()
    assert_fine(app)
    assert any("no batch norm" in warning.value for warning in app.warning)
    assert dict(recipe_of(app).groups)["conv1"][0].technique == "magnitude"


def test_the_slider_of_a_group_moves_all_its_layers_in_front_of_their_own_knobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = dict[str, object]()
    monkeypatch.setattr(group_share, "live_slider", lambda *_, key, moves, **__: told.update({key: moves}))
    app = choose(section(opened("tune", "lenet5", CUT), GROUPS), "conv1")
    assert_fine(app)
    sha = recipe_of(app).sha
    assert told[f"{groups.KEY}.one.conv1.slider"] == Moves(("conv1", "conv2"), "groups", sha)


def test_locked_group_says_why_and_shows_its_coupling() -> None:
    app = choose(section(opened("tune", "resnet", CUT), GROUPS), "fc")
    assert any("answers" in info.value for info in app.info)
    assert loaded_sample("resnet").layer("fc").rows == 10


def test_reset_all_takes_groups_out_too() -> None:
    app = opened("tune", "resnet", CUT)
    next(b for b in app.button if b.label == "Reset all").click().run()
    assert not recipe_of(app)


def toggle(app: AppTest, name: str) -> AppTest:
    """The page after the switch of one technique was turned."""
    found = app.toggle(key=by_key(app.toggle, name))
    return found.set_value(not found.value).run()


def test_preparation_is_switched_on_and_one_that_does_nothing_says_why_beside_its_switch() -> None:
    app = opened("tune", "resnet")
    app.session_state[SECTIONS] = "Before and after"
    app = toggle(toggle(app.run(), "fold_batch_norm"), "cross_layer_equalization")
    assert_fine(app)
    names = [step.technique for step in recipe_of(app).prepare]
    assert names == ["fold_batch_norm", "cross_layer_equalization"]
    app = opened("tune", "lenet5")
    app.session_state[SECTIONS] = "Before and after"
    app = toggle(app.run(), "fold_batch_norm")
    assert_fine(app)
    assert not recipe_of(app).prepare
    assert len(app.warning) == 1
    assert not app.toggle(key=by_key(app.toggle, "fold_batch_norm")).value


def test_correction_without_a_change_is_refused_and_with_one_is_kept() -> None:
    app = opened("tune", "lenet5")
    app.session_state[SECTIONS] = "Before and after"
    app = toggle(app.run(), "bias_correction")
    assert not recipe_of(app).correct
    assert any("make up for" in warning.value for warning in app.warning)
    pruned = [["fc1", [{"technique": "magnitude", "sparsity": 0.9}]]]
    app = opened("tune", "lenet5", pruned)
    app.session_state[SECTIONS] = "Before and after"
    app = toggle(app.run(), "bias_correction")
    assert [step.technique for step in recipe_of(app).correct] == ["bias_correction"]
    next(b for b in app.button if b.label == "Reset layer").click().run()
    assert_fine(app)
    assert recipe_of(app).layers


@pytest.mark.usefixtures("all_items")
def test_the_number_of_calibration_items_is_set_for_the_whole_recipe_and_all_of_them_are_the_default() -> (
    None
):
    app = opened("tune", "lenet300", [["fc1", [{"technique": "wanda"}]]])
    app.session_state[SECTIONS] = "Before and after"
    (number,) = app.run().number_input
    assert (number.value, number.max) == (512, 512)
    (number,) = number.set_value(100).run().number_input
    assert recipe_of(app).calibration.items == 100 == number.value
    number.set_value(512).run()
    assert_fine(app)
    assert recipe_of(app).calibration.items is None


def test_inputs_are_thinned_out_before_they_are_rounded_whatever_is_chosen_first() -> None:
    app = section(opened("tune", "lenet5"), "Inputs")
    for kind, name in [("input quantizer", "static_range"), ("activation sparsifier", "top_k")]:
        app = app.selectbox(key=by_key(app.selectbox, f"{kind}.technique")).set_value(name).run()
    bits = by_key(app.slider, "input quantizer.bits")
    assert_fine(app.slider(key=bits).set_value(4).run())
    layer = app.session_state[KEY].layer
    steps = [step.as_json() for step in recipe_of(app).inputs_of(layer)]
    assert steps == [{"technique": "top_k"}, {"technique": "static_range", "bits": 4}]
    assert any("zero point" in caption.value for caption in app.caption)
    app = app.selectbox(key=by_key(app.selectbox, "sparsifier.technique")).set_value("").run()
    assert [step.technique for step in recipe_of(app).inputs_of(layer)] == ["static_range"]


def test_quantizers_are_compared_once_opened_and_one_can_be_taken() -> None:
    app = opened("tune", "lenet5")
    app = section(app, "Quantizers")
    assert_fine(app)
    app = app.selectbox(key=by_key(app.selectbox, f"{quantizers.KEY}.take")).set_value("kmeans").run()
    next(b for b in app.button if b.label == "Use it on this layer").click().run()
    assert_fine(app)
    layer = app.session_state[KEY].layer
    assert [s.as_json() for s in recipe_of(app).by_layer[layer]] == [Step.of("kmeans", bits=4).as_json()]


def test_groups_and_blocks_with_a_layer_that_the_visitor_locked_are_locked() -> None:
    app = opened("tune", "resnet")
    app.session_state[SECTIONS] = GROUPS
    app.session_state[KEY] = replace(app.session_state[KEY], locked=frozenset({"layer2.conv1"}))
    app = app.run()
    assert_fine(app)
    assert app.button_group(key=by_key(app.button_group, ".blocks")).options == ["layer1", "layer3"]
    app = choose(app, "layer2.conv1")
    assert any("is locked in the layer table" in info.value for info in app.info)


def test_recipe_that_makes_a_layer_larger_is_warned_of() -> None:
    wide = [["fc1", [{"technique": "low_rank", "rank": 280}]]]
    app = opened("tune", "lenet300", {"layers": wide})
    assert_fine(app)
    assert any("280" in warning.value for warning in app.warning)


def test_one_item_is_followed_beside_the_knobs_and_is_the_item_of_explain() -> None:
    app = opened("tune", "lenet5", {"layers": [["fc1", [{"technique": "magnitude", "sparsity": 0.95}]]]})
    app = app.button_group(key="tune.beside").set_value("item").run()
    app = app.number_input(key="tune.item").set_value(17).run()
    assert_fine(app)
    assert any("The original says" in caption.value for caption in app.caption)
    app.button(key="tune.item.next").click().run()
    assert app.number_input(key="tune.item").value > 17
    assert app.session_state["slimscope.explain.item"] == app.number_input(key="tune.item").value
    assert app.query_params["beside"] == "item"
    again = AppTest.from_file(APP, default_timeout=90)
    again.query_params.update({"m": "lenet5", "beside": "item", "item": "17"})
    again = again.run().switch_page("pages/tune.py").run()
    assert again.number_input(key="tune.item").value == 17
