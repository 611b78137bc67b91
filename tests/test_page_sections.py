"""The tabs of Tune: one knob for layers that differ, layers tried alone, criteria, the picture."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest, app_test

from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.recipe.values import ResolvedRecipe, Step
from dashboard import engine
from dashboard.state import KEY
from dashboard.tune import coupled_groups, criterion_comparison, layer_trials
from dashboard.tune.differing import VARIOUS, _moved, told
from dashboard.tune.recipe_words import before_weights
from tests.navigated import Navigated
from tests.subjects import loaded_sample
from tests.test_page_tune import section
from tests.test_pages import assert_fine, opened, recipe_of

pytestmark = pytest.mark.usefixtures("few_items")


def rows(**steps: Step) -> list[object]:
    """Steps of lenet300's layers as a link carries them."""
    return [[name, [step.as_json()]] for name, step in steps.items()]


def said(app: AppTest) -> str:
    """All small print of the page."""
    return "\n".join(caption.value for caption in app.caption)


def test_layers_are_told_by_what_most_of_them_have() -> None:
    assert told(["90 %", "50 %", "90 %", "50 %", "90 %"]) == "Now 3 layers at 90 %, 2 at 50 %."
    assert told(["a", "b"]) == "Now 1 layer at a, 1 at b."
    assert told(list("aabbccddef")) == "Now 2 layers at a, 2 at b, 2 at c, 2 at d, 2 at others."


@pytest.mark.slow
def test_each_knob_for_many_layers_says_when_they_differ_and_acts_only_on_a_real_place() -> None:
    app = opened("tune")
    assert "One budget for these 3 layers" in said(app)
    app = opened("tune", recipe=rows(fc1=Step.of("magnitude", sparsity=0.9), fc2=Step.of("wanda")))
    assert app.select_slider(key="rules.prune.various").value == -1
    assert app.select_slider(key="rules.bits").value == 32
    assert "Now 1 layer at 90.0 %, 1 at 50.0 %, 1 at 0.0 %." in said(app)
    assert "Several now: Magnitude, Wanda." in said(app)
    app = app.select_slider(key="rules.prune.various").set_value(70.0).run()
    assert_fine(app)
    assert {s.as_json()["sparsity"] for _n, steps in recipe_of(app).layers for s in steps} == {0.7}
    assert app.select_slider(key="rules.prune").value == 70
    assert "One budget" not in said(app)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "knob", "words"),
    [
        (Step.of("threshold"), "prune", "Threshold"),
        (Step.of("low_rank", rank=7), "energy", "rank 7"),
        (Step.of("magnitude", sparsity=0.5, scope="network"), "prune", "50.0 % of a shared budget"),
    ],
    ids=lambda value: value.technique if isinstance(value, Step) else "",
)
def test_what_the_knob_has_no_place_for_is_said_in_words(step: Step, knob: str, words: str) -> None:
    app = opened("tune", recipe=rows(fc1=step))
    assert app.select_slider(key=f"rules.{knob}.various").value == -1
    assert words in said(app)


@pytest.mark.slow
def test_layers_outside_the_pattern_that_share_the_budget_are_told_of_and_keep_what_they_have() -> None:
    shared = Step.of("magnitude", sparsity=0.5, scope="network")
    app = opened("tune", "lenet5", rows(conv1=shared, conv2=shared, fc1=shared, fc2=shared))
    assert not [info for info in app.info if "share a budget" in info.value]
    before = zeros(app)
    app = app.selectbox(key="rules.match.en").set_value("kind: linear").run()
    assert any("2 other layers share a budget with these" in info.value for info in app.info)
    app = app.selectbox(key="rules.criterion").set_value("random_pruning").run()
    app = app.select_slider(key="rules.prune.various").set_value(80.0).run()
    assert_fine(app)
    after = zeros(app)
    assert [after[name] for name in ("conv1", "conv2")] == [before[name] for name in ("conv1", "conv2")]
    assert after["fc1"] > before["fc1"]


def zeros(app: AppTest) -> dict[str, int]:
    """How many weights of each layer the page's recipe removes."""
    model = compress(loaded_sample("lenet5"), recipe_of(app), Store())
    return {name: part.encoded[0].zeros.pruned for name, part in model.compressed.items()}


@pytest.mark.slow
def test_which_layer_bears_four_bits_is_seen_with_one_click_and_changes_nothing() -> None:
    app = section(opened("tune", "lenet300"), "Each layer alone")
    assert_fine(app)
    table = next(f.value for f in app.dataframe if "output" in f.value)
    assert sorted(table["layer"]) == ["fc1", "fc2", "fc3"]
    assert list(table["output"]) == sorted(table["output"])
    assert "A tick selects that layer above; now fc1." in said(app)
    assert table["output"].iloc[0] > 0
    app = app.button_group(key=f"{layer_trials.KEY}.bits").set_value(2).run()
    worse = next(f.value for f in app.dataframe if "output" in f.value)
    assert worse["output"].min() > table["output"].max()
    assert not recipe_of(app)


@pytest.mark.slow
def test_errors_of_outputs_and_what_becomes_of_answers_name_and_open_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app_test, "PagesManager", Navigated)
    app = section(opened("tune", "tabular"), "Each layer alone")
    assert any("by output error, which is not accuracy" in text.value for text in app.markdown)
    app = app.button(key="which_layer.by_answers").click().run()
    assert_fine(app)
    assert app.title[0].value == "Which one do I want?"
    assert app.button_group(key="trade_offs.scan.family").value == "bits"


PREPARED, CUT = Step.of("fold_batch_norm"), ("conv1", (Step.of_group("magnitude", share_removed=0.25),))


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (ResolvedRecipe((("fc1", (Step.of("uniform", bits=4),)),)), "as loaded"),
        (ResolvedRecipe((), prepare=(PREPARED,)), "as prepared"),
        (ResolvedRecipe((), groups=(CUT,)), "as cut"),
        (ResolvedRecipe((), groups=(CUT,), prepare=(PREPARED,)), "as prepared and cut"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_what_layers_stay_as_while_one_is_tried_is_said_of_what_the_recipe_makes_first(
    recipe: ResolvedRecipe, words: str
) -> None:
    assert before_weights(recipe) == words


@pytest.mark.slow
def test_layers_tried_alone_on_a_folded_network_stay_as_prepared() -> None:
    app = opened("tune", "resnet", {"prepare": [PREPARED.as_json()], "layers": []})
    assert "all others stay as prepared," in said(section(app, "Each layer alone"))


@pytest.mark.slow
def test_criteria_are_tried_off_the_thread_of_the_page_which_says_that_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(engine, "compared_within", lambda _s, key, *_: asked.append(key))
    monkeypatch.setattr(criterion_comparison, "criterion_rows", None)  # called on this thread, it would raise
    app = section(opened("tune", "lenet300"), "Criteria")
    assert_fine(app)
    assert any("Trying 2 criteria" in info.value for info in app.info)
    app.slider(key=f"{criterion_comparison.KEY}.share").set_value(60.0).run()
    assert len(set(asked)) == 2, "another share is another wish"


@pytest.mark.slow
@pytest.mark.usefixtures("all_items")
def test_magnitude_and_random_stand_together_as_the_tab_opens_and_one_can_be_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "PATIENCE_S", 300.0)
    app = section(opened("tune", "lenet300"), "Criteria")
    assert_fine(app)
    assert f"**Criteria on {app.session_state[KEY].layer}**" in [text.value for text in app.markdown]
    app = app.button_group(key=f"{criterion_comparison.KEY}.where.en.fc1").set_value("network").run()
    assert "**Criteria on 3 layers**" in [text.value for text in app.markdown]
    table = next(f.value for f in app.dataframe if "removed" in f.value)
    assert list(table["criterion"]) == ["Magnitude", "Random pruning"]
    assert table["removed"].nunique() == 1
    assert table["change"].iloc[0] > table["change"].iloc[1]
    assert "the first 1,000 items of the validation split" in said(app)
    app.button(key=f"{criterion_comparison.KEY}.use").click().run()
    assert_fine(app)
    used = {steps for _name, steps in recipe_of(app).layers}
    assert used == {(Step.of("magnitude", sparsity=0.5, scope="network"),)}
    taken = compress(loaded_sample("lenet300"), recipe_of(app), Store())
    assert table["size"].iloc[0] == pytest.approx(taken.file_bytes / 1024)


@pytest.mark.parametrize("unit", ["KiB", "MiB"])
def test_a_phone_shows_what_each_criterion_costs_without_a_push_to_the_side(unit: str) -> None:
    columns = criterion_comparison._columns(1, unit)
    assert list(columns)[:3] == ["criterion", "size", "change"]
    assert sum(columns[name]["width"] for name in list(columns)[:3]) <= 390 - 2 * 12, (
        "the page within its margins"
    )
    assert columns["size"]["type_config"]["format"] == f"%.1f {unit}"
    assert columns["change"]["type_config"]["format"] == "%+.2f points"


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.001, 1.0])
def test_criteria_open_whatever_share_the_layer_has_and_without_an_accuracy(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_classifier(*_given: object) -> None:
        raise Refused("it answers in pictures")

    monkeypatch.setattr(engine, "quick_numbers", no_classifier)
    monkeypatch.setattr(engine, "PATIENCE_S", 300.0)
    recipe = rows(fc1=Step.of("magnitude", sparsity=share))
    app = section(opened("tune", "lenet300", recipe), "Criteria")
    assert_fine(app)
    assert "Accuracy change: not measured. it answers in pictures" in said(app)


@pytest.mark.slow
def test_the_network_is_drawn_with_what_was_done_to_each_layer() -> None:
    app = section(opened("tune", "resnet", rows(fc=Step.of("magnitude"))), "Network")
    assert_fine(app)
    assert "8 layers in the order in which they run, from conv1 to fc" in said(app)
    assert "pruned 1" in said(app).replace("\\", "")


@pytest.mark.slow
def test_the_knob_for_all_groups_says_when_they_differ_and_gives_them_one_share() -> None:
    cut = {"groups": [["conv1", [{"technique": "magnitude", "share_removed": 0.5}]]], "layers": []}
    app = section(opened("tune", "lenet5", cut), "What shrinks together")
    knob = app.select_slider(key="tune.groups.all.share.various")
    assert knob.value == -1
    assert "Now 2 groups at 0.0 %, 1 at 50.0 %." in said(app)
    app = knob.set_value(25.0).run()
    assert_fine(app)
    shares = {steps[0].as_json()["share_removed"] for _name, steps in recipe_of(app).groups}
    assert shares == {0.25}


def test_a_knob_put_back_to_various_changes_nothing() -> None:
    st.session_state["knob.various"] = VARIOUS
    moved: list[float] = []
    _moved("knob.various", moved.append)
    st.session_state["knob.various"] = 3.0
    _moved("knob.various", moved.append)
    assert moved == [3.0]


def test_a_typed_share_is_tried_for_its_group_and_a_refusal_belongs_to_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[object] = []

    def refused_change(key: str, value: object) -> nullcontext[None]:
        told.append((key, value))
        return nullcontext()

    monkeypatch.setattr(coupled_groups, "refused_beside", refused_change)
    monkeypatch.setattr(coupled_groups, "take", told.append)
    monkeypatch.setattr(coupled_groups, "with_groups", lambda steps: steps)
    monkeypatch.setattr(coupled_groups, "step_of", lambda _recipe, _name: None)
    monkeypatch.setattr(coupled_groups.state, "required", lambda: SimpleNamespace(recipe=None))
    st.session_state["table"] = {"edited_rows": {1: {"share": 25}}}
    coupled_groups._edited("table", ["a", "b"])
    assert told[0] == ("tune.groups.table", None)
    assert told[1] == {"b": Step.of_group("magnitude", share_removed=0.25)}
