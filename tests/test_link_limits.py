"""What a link hides and locks: how it is read, what it keeps from being changed, and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest, app_test

from dashboard import state
from dashboard.learn.lesson_files import lessons
from dashboard.link_limits import CONTROLS, LESSON_CONTROLS, TUNE_CONTROLS, LinkLimits, read_limits
from tests.layer_rows import table_of
from tests.navigated import Navigated

APP = str(Path(__file__).parent.parent / "app.py")
LESSON = next(iter(lessons()))
HIDES = [name for name, control in CONTROLS.items() if control.hides]
LOCKS = [name for name, control in CONTROLS.items() if control.locks]
LAYERS = ["conv1", "conv2", "fc1", "fc2"]


@given(st.sets(st.sampled_from(HIDES)), st.sets(st.sampled_from(LOCKS)), st.sets(st.sampled_from(LAYERS)))
def test_what_a_link_says_is_read_as_it_was_meant(hidden: set[str], locked: set[str], free: set[str]) -> None:
    made = LinkLimits(frozenset(hidden), frozenset(locked - hidden), frozenset(free))
    said = made.said()
    assert read_limits(said["hide"], said["lock"], said["free"]) == made


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_whatever_a_link_says_only_controls_are_limited_and_the_rest_is_told(
    hide: str, lock: str, free: str
) -> None:
    found = read_limits(hide, lock, free)
    assert found.hidden <= {*HIDES}
    assert found.locked <= {*LOCKS}
    assert not {*found.unknown} & (found.hidden | found.locked)
    assert not found.hidden & found.locked


def test_what_cannot_be_hidden_or_locked_is_passed_over_by_its_name() -> None:
    found = read_limits("knob, tabs,nothing", "quiz,bits", "")
    assert (found.hidden, found.locked) == ({"tabs"}, {"bits"})
    assert found.unknown == ("knob", "nothing", "quiz")


def test_what_is_hidden_need_not_be_locked_too() -> None:
    found = read_limits("bits", "bits,rank", "")
    assert (found.hidden, found.locked, found.unknown) == ({"bits"}, {"rank"}, ())


def test_layers_that_a_model_does_not_have_lock_none_of_its_own() -> None:
    assert read_limits("", "", "fc1,nowhere").held(LAYERS) == {"conv1", "conv2", "fc2"}
    assert read_limits("", "", "nowhere").held(LAYERS) == frozenset()
    assert read_limits("", "", "").held(LAYERS) == frozenset()


def test_every_control_can_be_limited_in_some_way_and_belongs_to_one_page() -> None:
    assert all(control.hides or control.locks for control in CONTROLS.values())
    assert not {*LESSON_CONTROLS} & {*TUNE_CONTROLS}


@pytest.fixture
def _served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_test, "PagesManager", Navigated)


def opened(page: str, **link: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=90)
    app.query_params["lang"] = "en"
    app.run()
    app.switch_page(f"pages/{page}.py")
    for key, value in link.items():
        app.query_params[key] = value
    return fine(app.run())


def fine(app: AppTest) -> AppTest:
    assert not app.exception, [error.message for error in app.exception]
    return app


def said(app: AppTest) -> str:
    return " ".join(str(element.value) for element in (*app.markdown, *app.caption, *app.warning))


@pytest.mark.slow
@pytest.mark.usefixtures("_served")
def test_tune_shows_what_the_link_leaves_and_says_what_it_locks_until_that_is_left() -> None:
    app = opened("tune", m="tabular", hide="rank,tabs", lock="bits,knobs", free="fc1")
    boxes = [box.label for box in app.selectbox]
    assert "Prune" in boxes
    assert "Rank" not in boxes
    assert not app.tabs
    bits = next(box for box in app.selectbox if box.label == "Bits")
    assert bits.disabled
    assert "Locked by the link" in said(app)
    assert "“knobs”" in said(app)
    table = table_of(app)
    assert (table["hidden"], table["held"]) == (["rank"], ["bits"])
    assert [row["locked"] for row in table["rows"]] == [row["id"] != "fc1" for row in table["rows"]]
    assert not app.session_state[state.KEY].locked, "the visitor locked nothing"
    fine(app.button(key="slimscope.limits.leave").click().run())
    assert {"Prune", "Rank", "Bits"} <= {box.label for box in app.selectbox}
    assert app.tabs
    assert "hide" not in app.query_params
    assert not any(row["locked"] for row in table_of(app)["rows"])


@pytest.mark.slow
@pytest.mark.usefixtures("_served")
def test_a_change_of_what_the_link_locks_is_refused_by_name_and_changes_nothing() -> None:
    app = opened("tune", m="tabular", lock="prune", free="fc1")
    before = app.session_state[state.KEY].lineage
    fine(app.button(key="slimscope.limits.leave").click().run())
    for stage in ("PRUNE", "QUANTIZE"):
        box = app.selectbox(key=f"tune.fc1.{stage}.technique")
        box.set_value({"PRUNE": "magnitude", "QUANTIZE": "uniform"}[stage])
        fine(app.run())
    edited = app.session_state[state.KEY]
    assert edited.lineage != before
    limited = opened("tune", **{**link_of(app), "lock": "prune", "free": "fc1"})
    fine(next(b for b in limited.button if b.label == "Reset layer").click().run())
    assert "locks Prune" in said(limited)
    assert limited.session_state[state.KEY].recipe == edited.recipe


def link_of(app: AppTest) -> dict[str, str]:
    """What stands in the address of a page, less the word of its tab."""
    kept = {key: value[0] if isinstance(value, list) else value for key, value in app.query_params.items()}
    return {key: value for key, value in kept.items() if key not in {"t", "hide", "lock", "free"}}


@pytest.mark.slow
@pytest.mark.usefixtures("_served")
def test_what_a_link_names_in_vain_is_told_with_what_it_may_hide_lock_and_set_free() -> None:
    lesson = said(opened("learn", lesson=LESSON, hide="knob"))
    assert "hides or locks “knob”, which cannot be" in lesson
    hides, locks = lesson.split("`hide=` may name ")[1].split("; `lock=` may name ")
    assert [word.strip("`") for word in hides.split(", ")] == HIDES
    assert locks.startswith(", ".join(f"`{name}`" for name in LOCKS) + ".")
    assert "“fc9” free, and no layer here" in said(opened("tune", m="tabular", free="fc1,fc9"))


@pytest.mark.slow
@pytest.mark.usefixtures("_served")
def test_a_lesson_leads_past_the_steps_that_its_link_hides() -> None:
    app = opened("learn", lesson=LESSON, hide="why", lock="knob")
    assert "Step 1 of 3" in said(app), "without the knob there is nothing to exercise"
    app.number_input(key=f"learn.{LESSON}.predicted").set_value(50.0)
    fine(app.button(key=f"learn.{LESSON}.commit").click().run())
    assert "Locked by the link" in said(app)
    assert "Move the knob" not in said(app)
    steps = [button.label for button in app.button if ".to." in str(button.key)]
    assert steps == ["Three questions"]
    fine(app.button(key="slimscope.limits.leave").click().run())
    assert [button.label for button in app.button if ".to." in str(button.key)] == ["Why is that?"]
    assert "Step 2 of 5" in said(app)


@pytest.mark.slow
@pytest.mark.usefixtures("_served")
def test_a_link_that_reveals_shows_the_outcome_without_a_prediction() -> None:
    app = opened("learn", lesson=LESSON, revealed="1")
    assert "What came out: 96.15 %" in said(app)
    assert "You said" not in said(app)
    assert "Step 2 of 5" in said(app)
    fine(app.button(key=f"learn.{LESSON}.to.2").click().run())
    assert "Step 3 of 5" in said(app)


@pytest.mark.slow
@pytest.mark.usefixtures("_served")
def test_the_builder_of_a_lesson_says_what_is_hidden_locked_and_revealed() -> None:
    app = opened("learn", lesson=LESSON)
    fine(app.button(key="learn.link").click().run())
    app.multiselect(key="link.hide").set_value(["quiz"])
    app.multiselect(key="link.lock").set_value(["knob"])
    app.toggle(key="link.revealed").set_value(True)
    link = str(fine(app.run()).code[0].value)
    assert link.partition("?")[2] == f"lesson={LESSON}&lang=en&hide=quiz&lock=knob&revealed=1"


@pytest.mark.slow
@pytest.mark.usefixtures("_served")
def test_the_builder_of_tune_says_which_layers_stay_free() -> None:
    app = opened("tune", m="tabular")
    app.session_state["link.page"] = "tune"
    fine(app.button(key="slimscope.link.build").click().run())
    app.multiselect(key="link.hide").set_value(["bits", "tabs"])
    app.multiselect(key="link.lock").set_value(["rank"])
    app.multiselect(key="link.free").set_value(["fc1", "fc2"])
    links = [str(code.value) for code in fine(app.run()).code if "hide=" in str(code.value)]
    assert links[0].endswith("&hide=bits%2Ctabs&lock=rank&free=fc1%2Cfc2")
