"""The selected layer's knobs on the page: what they claim is what the model has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.recipe.values import Step
from compress_core.subject.subject import Subject
from dashboard import state
from dashboard.live_slider.live_table import Histogram, LiveTable
from dashboard.tune import bits_knob, prune_knob, rank_knob, sliders
from tests.layer_rows import choose
from tests.subjects import Mlp, seeded, tiny_subject
from tests.test_pages import APP, assert_fine, opened, recipe_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_items")]

STORE = Store()
NAMES = ("conv1", "conv2", "fc1")
Drawn = dict[str, dict[str, Any]]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """What every live slider was given, by its key."""
    found: Drawn = {}

    def live_slider(label: str, table: LiveTable, **given: Any) -> float:
        found[given["key"]] = {**given, "label": label, "table": table}
        return float(given["value"])

    for module in (prune_knob, rank_knob, bits_knob, sliders):
        monkeypatch.setattr(module, "live_slider", live_slider)
    return found


def together(share: float = 0.9, technique: str = "magnitude") -> object:
    step = Step.of(technique, sparsity=share, scope="network").as_json()
    return [[name, [step]] for name in NAMES]


def model_in(app: AppTest) -> Model:
    subject = state.subject(app.session_state[state.KEY])
    return compress(subject, recipe_of(app), STORE)


def at(drawn: Drawn, key: str, label: str) -> float:
    """A readout at the place of the knob."""
    slider = drawn[key]
    readout = next(r for r in slider["table"].readouts if r.label == label)
    row = slider["table"].positions.tolist().index(slider["value"])
    return float(readout.values[row])


def removed(model: Model, name: str) -> float:
    part = model.compressed[name].encoded[0]
    return 100 * (1 - part.kept_count / part.weight.numel())


@pytest.mark.parametrize("technique", ["magnitude", "wanda"])
def test_a_layer_of_a_shared_budget_claims_what_the_model_removed_of_it(drawn: Drawn, technique: str) -> None:
    app = opened("tune", "lenet5", together(technique=technique))
    for name in NAMES:
        app = choose(app, name)
        key = f"tune.{name}.PRUNE.slider"
        assert at(drawn, key, "Removed here") == pytest.approx(removed(model_in(app), name))
        plot: Histogram = drawn[key]["histogram"]
        row = drawn[key]["table"].positions.tolist().index(0.9)
        if technique == "wanda":
            left = float(np.asarray(plot.kept)[row].sum() / plot.counts.sum())
            assert 100 * (1 - left) == pytest.approx(removed(model_in(app), name))
    assert_fine(app)


def test_a_layer_leaves_its_budget_with_what_it_has_and_its_knob_then_moves_it_alone(drawn: Drawn) -> None:
    app = choose(opened("tune", "lenet5", together()), "conv1")
    before = model_in(app)
    app = app.button(key="tune.conv1.PRUNE.alone").click().run()
    alone = model_in(app)
    assert alone.recipe.step("conv1", prune_knob.Stage.PRUNE).knobs.scope == "layer"  # type: ignore[union-attr]
    for name in NAMES:
        assert removed(alone, name) == removed(before, name)
    prune_knob_moved(app, drawn, "conv1", 0.0)
    after = model_in(app)
    assert "conv1" not in after.compressed
    assert [removed(after, name) for name in NAMES[1:]] == [removed(before, name) for name in NAMES[1:]]


def test_resetting_a_layer_of_a_budget_leaves_the_others_what_they_have() -> None:
    app = choose(opened("tune", "lenet5", together()), "fc1")
    before = model_in(app)
    next(b for b in app.button if b.label == "Reset layer").click().run()
    after = model_in(app)
    assert "fc1" not in after.compressed
    assert [removed(after, name) for name in NAMES[:2]] == [removed(before, name) for name in NAMES[:2]]


def prune_knob_moved(app: AppTest, drawn: Drawn, layer: str, share: float) -> None:
    """As the browser says it: the slider's callback, within a run of the page."""
    from dashboard.tune import knob_of_layer

    key = f"tune.{layer}.PRUNE.slider"
    told = drawn[key]["on_change"]
    original, done = knob_of_layer.KnobOfLayer.is_locked, []

    def once(place: knob_of_layer.KnobOfLayer) -> bool:
        if not done:
            done.append(told(share))
        return bool(original.fget(place))  # type: ignore[attr-defined]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knob_of_layer.KnobOfLayer, "is_locked", property(once))
        app.run()
    app.run()


def test_the_knob_of_a_shared_budget_moves_all_layers_of_it(drawn: Drawn) -> None:
    app = choose(opened("tune", "lenet5", together()), "fc1")
    prune_knob_moved(app, drawn, "fc1", 0.8)
    shares = {s.as_json()["sparsity"] for _, steps in recipe_of(app).layers for s in steps}
    assert (shares, len(recipe_of(app).layers)) == ({0.8}, 3)


WAYS = (
    Step.of("sparsegpt", sparsity=0.7),
    Step.of("threshold", share=0.2),
    Step.of("random_pruning", sparsity=0.35),
    Step.of("magnitude", scope="row"),
    Step.of("magnitude", pattern="2:4"),
    Step.of("magnitude", pattern="4x4"),
)


@pytest.mark.parametrize("step", WAYS, ids=lambda step: str(step.as_json()))
def test_every_way_to_prune_shows_what_it_removed(drawn: Drawn, step: Step) -> None:
    app = opened("tune", "lenet5", [["fc1", [step.as_json()]]])
    assert_fine(app)
    key = "tune.fc1.PRUNE.slider"
    assert at(drawn, key, "Removed here") == pytest.approx(removed(model_in(app), "fc1"))
    plot, row = drawn[key]["histogram"], drawn[key]["table"].positions.tolist().index(drawn[key]["value"])
    left = np.asarray(plot.kept)[row].sum() / plot.counts.sum()
    assert 100 * (1 - float(left)) == pytest.approx(removed(model_in(app), "fc1"))


@pytest.mark.parametrize("recipe", [[["fc1", [WAYS[2].as_json()]]], together()], ids=["alone", "shared"])
def test_changing_the_technique_to_a_threshold_and_back_keeps_the_share_that_was_there(
    recipe: object,
) -> None:
    app = choose(opened("tune", "lenet5", recipe), "fc1")
    before = model_in(app)
    for technique in ("threshold", "wanda"):
        app = app.selectbox(key="tune.fc1.PRUNE.technique").set_value(technique).run()
        assert_fine(app)
        assert recipe_of(app).by_layer["fc1"][0].technique == technique
        after = model_in(app)
        assert removed(after, "fc1") == pytest.approx(removed(before, "fc1"), abs=0.01)
        for name in before.compressed.keys() - {"fc1"}:
            assert removed(after, name) == removed(before, name)


def with_weights(change: str) -> Subject:
    network = seeded(Mlp())
    with torch.no_grad():
        match change:
            case "scaled by 1e-45":
                network.fc2.weight.mul_(1e-45)
            case value:
                network.fc2.weight[0, 0] = float(value)
    return tiny_subject(network, (6,))


@pytest.mark.parametrize("change", ["nan", "inf", "-inf", "3e38", "scaled by 1e-45"])
def test_broken_weights_leave_the_page_whole_and_other_layers_to_edit(change: str) -> None:
    app = AppTest.from_file(APP, default_timeout=90)
    app.session_state[state.UPLOADS] = {"own-1": with_weights(change)}
    app.query_params["m"] = "own-1"
    app.query_params["l"] = "fc2"
    app = app.run().switch_page("pages/tune.py").run()
    assert_fine(app)
    if change in {"nan", "inf", "-inf"}:
        assert any("All other layers can be edited" in warning.value for warning in app.warning)
    app = choose(app, "fc1")
    app = app.selectbox(key="tune.fc1.PRUNE.technique").set_value("magnitude").run()
    assert_fine(app)
    assert recipe_of(app).layers[0][0] == "fc1"
