"""The parts of Tune that concern groups, the whole network, inputs and many quantizers at once."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from compress_core.subject.samples import load_sample
from dashboard.tune import groups
from tests.test_pages import assert_fine, opened, recipe_of

CUT = {"groups": [["conv1", [{"technique": "magnitude", "share_removed": 0.5}]]], "layers": []}


def by_key(widgets: object, part: str) -> str:
    """The key of the one widget whose key holds this."""
    found = [w.key for w in widgets if w.key and part in w.key]  # type: ignore[attr-defined]
    assert len(found) == 1, found
    return str(found[0])


def at(app: AppTest, layer: str) -> AppTest:
    """The page with another layer chosen."""
    return app.selectbox(key=by_key(app.selectbox, "tune.layer.")).set_value(layer).run()


def test_groups_are_looked_for_only_once_the_section_is_open() -> None:
    app = opened("tune", "lenet5")
    assert not [w for w in app.selectbox if (w.key or "").startswith(groups.KEY)]
    app.session_state[groups.KEY] = True
    assert_fine(app.run())
    assert app.selectbox(key=by_key(app.selectbox, f"{groups.KEY}.one.")).options == [
        "conv1",
        "conv2",
        "fc1",
        "fc2",
    ]


def test_blocks_are_left_out_and_put_back_with_a_click() -> None:
    app = opened("tune", "resnet", CUT)
    blocks = by_key(app.button_group, ".blocks.")
    assert_fine(app.button_group(key=blocks).set_value(["layer2"]).run())
    assert dict(recipe_of(app).groups).keys() == {"conv1", "layer2"}
    app = at(app, "layer2.conv1")
    assert any("left out" in info.value for info in app.info)
    blocks = by_key(app.button_group, ".blocks.")
    assert_fine(app.button_group(key=blocks).set_value([]).run())
    assert dict(recipe_of(app).groups).keys() == {"conv1"}


def test_knobs_of_a_group_follow_its_declaration() -> None:
    app = at(opened("tune", "resnet", CUT), "conv1")
    multiple = by_key(app.number_input, "multiple_of")
    assert_fine(app.number_input(key=multiple).set_value(8).run())
    technique = by_key(app.selectbox, "conv1.technique")
    assert_fine(app.selectbox(key=technique).set_value("geometric_median").run())
    (step,) = dict(recipe_of(app).groups)["conv1"]
    assert step.as_json() == {"technique": "geometric_median", "multiple_of": 8}


def test_criterion_that_cannot_serve_a_group_is_refused_in_words() -> None:
    app = at(opened("tune", "lenet5", CUT), "conv1")
    technique = by_key(app.selectbox, "conv1.technique")
    app.selectbox(key=technique).set_value("batch_norm_scale").run()
    assert_fine(app)
    assert any("no batch norm" in warning.value for warning in app.warning)
    assert dict(recipe_of(app).groups)["conv1"][0].technique == "magnitude"


def test_locked_group_says_why_and_shows_its_coupling() -> None:
    app = at(opened("tune", "resnet", CUT), "fc")
    assert any("answers" in info.value for info in app.info)
    assert load_sample("resnet").layer("fc").rows == 10


def test_reset_all_takes_groups_out_too() -> None:
    app = opened("tune", "resnet", CUT)
    next(b for b in app.button if b.label == "Reset all").click().run()
    assert not recipe_of(app)
