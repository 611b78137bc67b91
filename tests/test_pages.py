"""Tune, Weights and Behavior, run as Streamlit runs them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from compress_core.apply.lineage import with_recipe
from compress_core.foundation.errors import Refused
from compress_core.recipe.resolving import resolve
from compress_core.recipe.values import Recipe, ResolvedRecipe, Rule, Step
from dashboard import page_address, state
from dashboard.links import encoded
from dashboard.state import KEY
from tests.subjects import loaded_sample

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_items")]

APP = str(Path(__file__).parent.parent / "app.py")
PAGES = ("tune", "weights", "behavior")
PRUNED = [["fc1", [Step.of("magnitude", sparsity=0.9).as_json(), Step.of("uniform", bits=4).as_json()]]]


def opened(page: str, model: str = "lenet300", recipe: object = None, language: str = "en") -> AppTest:
    """A page with a model and a recipe, as a link opens it."""
    app = AppTest.from_file(APP, default_timeout=90)
    app.query_params["m"] = model
    app.query_params["r"] = encoded(recipe)
    app.query_params["lang"] = language
    return app.switch_page(f"pages/{page}.py").run()


def assert_fine(app: AppTest) -> None:
    assert not app.exception, [e.message for e in app.exception]
    assert app.title, "a page has a title"


def in_a_link(steps: dict[str, tuple[Step, ...]]) -> object:
    """Steps of lenet5 as a link carries them, small layers included."""
    recipe = Recipe(tuple(Rule(name, settings) for name, settings in steps.items()))
    resolved = resolve(recipe, list(loaded_sample("lenet5").by_name))
    return [[name, [s.as_json() for s in settings]] for name, settings in resolved.layers]


def recipe_of(app: AppTest) -> ResolvedRecipe:
    recipe: ResolvedRecipe = app.session_state[KEY].recipe
    return recipe


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("page", PAGES)
def test_page_shows_a_compressed_model(page: str, language: str) -> None:
    assert_fine(opened(page, recipe=PRUNED, language=language))


@pytest.mark.parametrize("technique", ["wanda", "taylor", "sparsegpt", "gptq", "whitened_low_rank"])
def test_tune_shows_a_layer_that_was_measured_on_items(technique: str) -> None:
    assert_fine(opened("tune", recipe=[["fc1", [Step.of(technique).as_json()]]]))


CUT = {
    "prepare": [{"technique": "fold_batch_norm"}],
    "groups": [
        ["conv1", [{"technique": "magnitude", "share_removed": 0.5}]],
        ["layer2", [{"technique": "drop_block"}]],
    ],
    "layers": [
        ["layer1.conv1", [{"technique": "magnitude", "sparsity": 0.5}, {"technique": "uniform", "bits": 4}]],
        ["layer3.conv1", [{"technique": "low_rank", "rank": 3}, {"technique": "top_k"}]],
    ],
    "correct": [{"technique": "bias_correction"}],
}


@pytest.mark.parametrize("page", [*PAGES, "explain"])
def test_page_shows_a_model_whose_channels_and_blocks_are_cut(page: str) -> None:
    app = opened(page, "resnet", CUT)
    assert_fine(app)
    assert recipe_of(app).groups
    assert not app.warning, [w.value for w in app.warning]


@pytest.mark.parametrize("page", PAGES)
def test_page_shows_an_untouched_table_model(page: str) -> None:
    assert_fine(opened(page, "tabular"))


def test_titles_speak_the_language_of_the_link() -> None:
    assert opened("behavior").title[0].value == "Who is hurt?"
    assert opened("behavior", language="zh").title[0].value != "Who is hurt?"


@pytest.mark.parametrize("page", PAGES)
def test_page_without_a_model_leads_to_start(page: str) -> None:
    app = AppTest.from_file(APP, default_timeout=90).run()
    app = app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    assert KEY not in app.session_state


def test_bad_link_is_said_and_does_no_harm() -> None:
    app = AppTest.from_file(APP, default_timeout=90)
    app.query_params["m"] = "lenet300"
    app.query_params["r"] = "this is not a recipe"
    app.run()
    assert not app.exception
    assert any("damaged" in warning.value for warning in app.warning)


def test_rule_for_all_layers_prunes_the_network_to_that_share_and_undo_takes_it_back() -> None:
    app = opened("tune")
    app.select_slider(key="rules.prune").set_value(80.0).run()
    assert_fine(app)
    settings = {name: steps[0].as_json() for name, steps in recipe_of(app).layers}
    assert settings.keys() == {"fc1", "fc2", "fc3"}
    assert all(s["sparsity"] == 0.8 and s["scope"] == "network" for s in settings.values())
    app.button(key="slimscope.undo").click().run()
    assert recipe_of(app).layers == ()
    app.button(key="slimscope.redo").click().run()
    assert len(recipe_of(app).layers) == 3


@pytest.mark.parametrize("page", PAGES)
def test_pages_show_layers_in_two_and_three_parts_and_blocks_that_are_gone(page: str) -> None:
    steps = {
        "conv1": (Step.of("spatial"), Step.of("magnitude", pattern="row")),
        "conv2": (Step.of("tucker", choose="break_even"), Step.of("normal_float", bits=3)),
        "fc1": (Step.of("low_rank", choose="bytes", share_of_bytes=1.5),),
        "fc2": (Step.of("magnitude", pattern="2x4", scope="erk"), Step.of("clipped")),
    }
    app = opened(page, "lenet5", in_a_link(steps))
    assert len(recipe_of(app).layers) == 4 + 2 + 3
    assert_fine(app)


def test_a_factorizer_that_a_layer_cannot_have_is_told_and_one_that_it_can_starts_at_half_its_bytes() -> None:
    app = opened("tune", "lenet5")
    for layer, technique in (("fc1", "spatial"), ("fc1", "low_rank")):
        app.session_state[KEY] = replace(app.session_state[KEY], layer=layer)
        app.run()
        key = next(s.key for s in app.selectbox if s.key.endswith("FACTOR.technique"))
        app.selectbox(key=key).set_value(technique).run()
        assert_fine(app)
        found = [s.technique for s in recipe_of(app).by_layer.get(layer, ())]
        assert found == ([] if technique == "spatial" else ["low_rank"])


def test_choosing_a_technique_adds_its_step_and_none_takes_it_out() -> None:
    app = opened("tune")
    key = next(s.key for s in app.selectbox if s.key.endswith("QUANTIZE.technique"))
    app.selectbox(key=key).set_value("power_of_two").run()
    assert_fine(app)
    assert [s.technique for s in recipe_of(app).by_layer["fc1"]] == ["power_of_two"]
    key = next(s.key for s in app.selectbox if s.key.endswith("QUANTIZE.technique"))
    app.selectbox(key=key).set_value("").run()
    assert recipe_of(app).layers == ()


def test_recipe_typed_as_text_is_applied_and_a_refused_one_stays_in_the_box_until_it_is_taken_back() -> None:
    app = opened("tune")
    app.session_state["tune.sections"] = "Recipe"
    area = app.run().text_area[0]
    area.set_value("layers: [{match: fc2, steps: [{technique: kmeans, bits: 3}]}]").run()
    next(b for b in app.button if b.label == "Apply").click().run()
    assert list(recipe_of(app).by_layer) == ["fc2"]
    wrong = "layers: [{match: nowhere, steps: [uniform]}]"
    app.text_area[0].set_value(wrong).run()
    next(b for b in app.button if b.label == "Apply").click().run()
    assert list(recipe_of(app).by_layer) == ["fc2"]
    assert any("nowhere" in warning.value for warning in app.warning)
    for section in ("Inputs", "Recipe"):
        app.session_state["tune.sections"] = section
        app.run()
    assert app.text_area[0].value == wrong
    assert any("nowhere" in warning.value for warning in app.warning)
    next(b for b in app.button if b.label == "Back to the recipe").click().run()
    assert app.text_area[0].value == recipe_of(app).yaml
    assert not app.warning


def test_recipe_file_that_is_refused_comes_into_the_box_with_the_sentence() -> None:
    app = opened("tune", recipe=PRUNED)
    app.session_state["tune.sections"] = "Recipe"
    file = b"layers: [{match: nowhere, steps: [uniform]}]"
    app.run().file_uploader[0].upload("mine.yaml", file, "text/yaml")
    app.run().button(key="recipe.file.apply").click().run()
    assert app.text_area[0].value == file.decode()
    assert any("mine" in w.value and "nowhere" in w.value for w in app.warning)


def tried(app: AppTest) -> pd.DataFrame:
    """The table of what was tried."""
    frames = [frame.value for frame in app.dataframe if "what" in frame.value]
    return frames[0] if frames else pd.DataFrame({"what": []})


def edited(app: AppTest, *shares: float) -> AppTest:
    """The page after fc1 was pruned to each of these shares, the tab of what was tried open."""
    for share in shares:
        app.session_state["tune.sections"] = "Recipe"
        recipe = f"layers: [{{match: fc1, steps: [{{technique: magnitude, sparsity: {share}}}]}}]"
        app.run().text_area[0].set_value(recipe).run()
        next(b for b in app.button if b.label == "Apply").click().run()
    app.session_state["tune.sections"] = "Tried"
    return app.run()


@pytest.mark.usefixtures("all_items")
def test_each_edit_is_a_line_with_its_numbers_and_a_name_leads_back_to_it() -> None:
    app = edited(opened("tune"), 0.3, 0.6)
    table = tried(app)
    assert list(table["what"]) == ["fc1 Magnitude: Sparsity 0.3 → 0.6", "fc1 + Magnitude (Sparsity 0.3)"]
    assert table["kibibytes"].is_monotonic_increasing
    assert list(table["n"]) == [6000, 6000]
    assert all(said.startswith("[") for said in table["interval"])
    app.text_input(key="snapshot.name").set_value("mine").run()
    app.button(key="snapshot.save").click().run()
    assert_fine(app)
    assert list(tried(app)["name"]) == ["mine", ""]
    assert list(tried(app.button(key="slimscope.undo").click().run())["here"]) == ["", "▶"]


def test_a_filter_finds_lines_by_layer_name_or_recipe() -> None:
    app = edited(opened("tune"), 0.25, 0.35)
    app.text_input(key="tried.filter").set_value("0.35").run()
    assert len(tried(app)) == 1
    app.text_input(key="tried.filter").set_value("nothing like that").run()
    assert_fine(app)
    assert tried(app).empty


def test_two_sessions_do_not_see_each_other() -> None:
    one, other = opened("tune", recipe=PRUNED), opened("tune")
    one.run()
    assert recipe_of(other).layers == ()
    assert len(recipe_of(one).layers) == 1


def test_link_of_one_session_opens_the_same_view_in_another() -> None:
    app = opened("tune", recipe=PRUNED)
    link = {
        key: values[0] if isinstance(values, list) else values for key, values in app.query_params.items()
    }
    other = AppTest.from_file(APP, default_timeout=90)
    for key, value in link.items():
        other.query_params[key] = value
    other.run()
    assert recipe_of(other).sha == recipe_of(app).sha
    assert other.session_state[KEY].layer == app.session_state[KEY].layer


def test_link_to_an_own_model_waits_for_the_upload_and_then_opens_its_recipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sample = loaded_sample("lenet300")
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(
        st, "query_params", Parameters(m=state.USER_MODEL + sample.digest[:12], r=encoded(PRUNED))
    )
    with pytest.raises(Refused, match="upload the same file"):
        page_address.read()
    view = page_address.open_model(state.keep_user_model(sample))
    assert view.recipe.as_recipe().as_json()["layers"][0]["match"] == "fc1"
    assert page_address.LINK not in st.session_state, "a link counts once"
    assert page_address.open_model(view.model).lineage == view.lineage, "it is opened where it was left"


class Parameters(dict[str, str]):
    """Stands for st.query_params outside a running page."""

    def to_dict(self) -> dict[str, str]:
        return dict(self)


def test_weights_shows_activations_of_a_cut_model() -> None:
    app = opened("weights", "resnet", CUT)
    assert_fine(app)
    peaks = [metric.value for metric in app.metric]
    assert len(peaks) == 2
    table = next(frame.value for frame in app.dataframe if "dead_after" in frame.value)
    cut = table.set_index("layer")
    assert cut.loc["fc", "channels"] == 2 * cut.loc["fc", "channels_after"]
    assert "layer2.conv1" not in cut.index
    assert any("layer2" in caption.value and "conv1" in caption.value for caption in app.caption)


def test_a_session_holds_on_to_no_widget_that_its_page_draws_no_more() -> None:
    app, known = opened("tune"), []
    for share in (0.5, 0.6, 0.7):
        view = app.session_state[KEY]
        pruned = {"fc1": (Step.of("magnitude", sparsity=share),)}
        recipe = resolve(Recipe(tuple(Rule(*rule) for rule in pruned.items())), ["fc1", "fc2", "fc3"])
        app.session_state[KEY] = view.moved(with_recipe(view.lineage, recipe))
        assert_fine(app.run())
        known.append(len(app._session_state._state._new_widget_state.widget_metadata))
    assert known[0] == known[1] == known[2] > 0
