"""Learn: every lesson from its question to the last answer, as Streamlit runs it."""

from __future__ import annotations

import json
import re
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest, app_test

import dashboard.visitor
from dashboard import engine, header, state
from dashboard.learn import lesson_steps
from dashboard.learn.lesson import Lesson
from dashboard.learn.lesson_files import lessons
from dashboard.learn.lesson_numbers import number_at
from dashboard.learn.lesson_progress import EXERCISE, OUTCOME, PROGRESS, QUIZ, WHY
from dashboard.learn.quantity_words import unit_of_quantity
from dashboard.links import decoded, encoded
from dashboard.text import _ as translated
from dashboard.text import languages, use_language
from tests.navigated import Navigated

pytestmark = pytest.mark.slow

APP = str(Path(__file__).parent.parent / "app.py")
NAMES = list(lessons())


@pytest.fixture(autouse=True)
def _served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_test, "PagesManager", Navigated)


def opened(name: str, language: str = "en", **link: str) -> AppTest:
    """Learn as the link of a lesson opens it."""
    app = AppTest.from_file(APP, default_timeout=90)
    app.switch_page("pages/learn.py")
    for key, value in {"lesson": name, "lang": language, **link}.items():
        app.query_params[key] = value
    return assert_fine(app.run())


def assert_fine(app: AppTest) -> AppTest:
    assert not app.exception, [error.message for error in app.exception]
    return app


def said_by_link(app: AppTest) -> str:
    """What the link says that is built on the page."""
    return str(app.code[0].value).split("?")[1]


def predict(app: AppTest, name: str, written: float) -> AppTest:
    app.number_input(key=f"learn.{name}.predicted").set_value(written)
    return clicked(app, f"learn.{name}.commit")


def clicked(app: AppTest, key: str) -> AppTest:
    return assert_fine(app.button(key=key).click().run())


def counted_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lesson of each run of the page from here on."""
    runs, draw = [], lesson_steps.draw

    def counted(name: str, lesson: Lesson) -> None:
        runs.append(name)
        draw(name, lesson)

    monkeypatch.setattr(lesson_steps, "draw", counted)
    return runs


def move(app: AppTest, name: str, place: float) -> AppTest:
    """The page after the knob was let go at a place."""
    moved = written(app, name, place=place)
    app.session_state[f"slimscope.choice.{PROGRESS.name}"] = moved
    return assert_fine(app.run())


def written(app: AppTest, name: str, **changes: Any) -> str:
    """What the address of the page says of how far its visitor is, with something of a lesson changed."""
    (said,) = [app.query_params[PROGRESS.name]] if PROGRESS.name in app.query_params else [""]
    whose, kept = cast("list[Any]", decoded(said if isinstance(said, str) else said[0]))
    fields = ("stage", "predicted", "median_of", "place", "answers")
    lesson = {**dict(zip(fields, kept[name], strict=True)), **changes}
    return encoded([whose, {**kept, name: list(lesson.values())}])


def reaches(lesson: Lesson, place: float) -> bool:
    return all(
        bound.holds(unit_of_quantity(bound.quantity).written(number_at(lesson, bound.quantity, place)))
        for bound in lesson.goal
    )


@pytest.mark.parametrize(("name", "language"), list(zip(NAMES, cycle(languages()))))
def test_a_lesson_leads_from_its_question_to_the_last_answer(name: str, language: str) -> None:
    with use_language(language):  # AppTest asks what a value is called outside of a run as well
        lead_through(name, lessons()[name], language)


def lead_through(name: str, lesson: Lesson, language: str) -> None:
    app = opened(name, language)
    assert [button.key for button in app.button if f"learn.{name}." in str(button.key)] == [
        f"learn.{name}.commit"
    ]
    predict(app, name, (lesson.prediction.low + lesson.prediction.high) / 2)
    for stage in (WHY, EXERCISE):
        clicked(app, f"learn.{name}.to.{stage}")
    assert not app.success
    move(app, name, next(place for place in lesson.knob.places if reaches(lesson, place)))
    assert app.success
    clicked(app, f"learn.{name}.to.{QUIZ}")
    for number, question in enumerate(lesson.quiz):
        for place, answer in enumerate(question.answers):
            assert_fine(app.radio(key=f"learn.{name}.quiz.{number}").set_value(place).run())
            shown = [box.value for box in (app.success if answer.is_right else app.warning)]
            start = re.split(r"[{]", translated(answer.feedback))[0]
            assert any(text.startswith(start) for text in shown), answer.feedback
    assert app.button(key=f"learn.{name}.tune")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_worked_out_for_the_page_before_a_prediction_is_made(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not(*_arguments: object) -> None:
        raise AssertionError("asked before the prediction")

    monkeypatch.setattr("dashboard.learn.lesson_steps.begin_to_work_out", lambda *_: None)
    monkeypatch.setattr("dashboard.learn.lesson_steps.number_of", must_not)
    monkeypatch.setattr("dashboard.learn.lesson_steps.wait_until_worked_out", must_not)
    monkeypatch.setattr("dashboard.learn.live_part.number_at", must_not)
    monkeypatch.setattr(engine, "sample", must_not)
    app = opened(name)
    assert app.number_input(key=f"learn.{name}.predicted").value is None
    clicked(app, f"learn.{name}.commit")
    assert "Write a number first" in app.warning[0].value


def test_the_outcome_is_drawn_over_the_prediction_with_the_distance_in_words() -> None:
    name = NAMES[0]
    app = predict(opened(name), name, 50.0)
    distance = next(m.value for m in app.markdown if "You said" in m.value)
    assert "You said 50.00 %" in distance
    assert "46.15 points higher than you thought" in distance


def test_the_figure_drawn_ahead_is_of_the_kind_of_the_outcome_and_says_nothing_of_it() -> None:
    ahead = [figures_of(opened(name)) for name in NAMES[:2]]
    assert ahead[0] == ahead[1]
    outcome = figures_of(predict(opened(NAMES[0]), NAMES[0], 50.0))
    assert [kinds_of(figure) for figure in outcome] == [kinds_of(figure) for figure in ahead[0]]


def figures_of(app: AppTest) -> list[dict[str, Any]]:
    """What a browser is told to draw."""
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def kinds_of(figure: dict[str, Any]) -> tuple[object, ...]:
    """What of a figure takes scripts of its own: traces with their parts, a legend, axes with a title."""
    layout = figure["layout"]
    parts = [({*trace}, trace["mode"]) for trace in figure["data"]]
    return parts, layout["showlegend"], layout["margin"], {*layout["xaxis"]}, {*layout["yaxis"]}


def test_a_commit_draws_the_page_once(monkeypatch: pytest.MonkeyPatch) -> None:
    name = NAMES[0]
    app = opened(name)
    runs = counted_runs(monkeypatch)
    assert any("You said 50.00 %" in text.value for text in predict(app, name, 50.0).markdown)
    assert runs == [name]


def test_a_commit_without_a_number_is_answered_in_the_run_that_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = NAMES[0]
    app = opened(name)
    runs = counted_runs(monkeypatch)
    assert "Write a number first" in clicked(app, f"learn.{name}.commit").warning[0].value
    assert runs == [name]
    assert not app.run().warning


def test_a_link_holds_lesson_seed_and_language() -> None:
    with use_language("zh"):
        app = clicked(opened("rank_of_a_layer", "zh", seed="7"), "learn.link")
    assert said_by_link(app) == "lesson=rank_of_a_layer&lang=zh&seed=7"
    assert app.query_params["lesson"] in ("rank_of_a_layer", ["rank_of_a_layer"])


@pytest.mark.parametrize("said", [{"lesson": "no_such"}, {"seed": "-1"}, {"seed": "x" * 500}])
def test_what_a_link_says_wrongly_is_passed_over(said: dict[str, str]) -> None:
    app = opened(**{"name": NAMES[0], **{("name" if k == "lesson" else k): v for k, v in said.items()}})
    assert said_by_link(clicked(app, "learn.link")) == f"lesson={NAMES[0]}&lang=en"


ME, OTHER = "a" * 32, "b" * 32


def as_visitor(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """Be the browser that keeps this word from here on."""
    monkeypatch.setattr(dashboard.visitor, "_from_cookie", lambda: word)


def loaded_anew(app: AppTest, **said: str) -> AppTest:
    """What a browser gets that loads the page anew, at its address."""
    address = {key: value if isinstance(value, str) else value[0] for key, value in app.query_params.items()}
    return opened(address.pop("lesson", NAMES[0]), address.pop("lang", "en"), **{**address, **said})


def where(app: AppTest) -> str:
    return next(str(caption.value) for caption in app.caption if "Step" in caption.value)


def test_a_page_that_is_loaded_anew_has_the_step_the_prediction_and_the_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_visitor(monkeypatch, ME)
    name, other = NAMES[:2]
    app = predict(opened(name), name, 50.0)
    clicked(app, f"learn.{name}.to.{WHY}")
    assert where(loaded_anew(app)) == where(app)
    for stage in (EXERCISE, QUIZ):
        clicked(app, f"learn.{name}.to.{stage}")
    app.radio(key=f"learn.{name}.quiz.1").set_value(1).run()
    predict(assert_fine(app.selectbox(key="learn.lesson").set_value(other).run()), other, 90.0)
    app.selectbox(key="learn.lesson").set_value(name).run()
    again = loaded_anew(app)
    assert where(again) == where(app)
    answers = [again.radio(key=f"learn.{name}.quiz.{number}").value for number in range(3)]
    assert answers == [None, 1, None]
    assert_fine(again.selectbox(key="learn.lesson").set_value(other).run())
    assert any("You said 90.00 %" in text.value for text in again.markdown)


def test_whoever_is_sent_the_address_begins_with_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    as_visitor(monkeypatch, ME)
    name = NAMES[0]
    app = predict(opened(name), name, 50.0)
    as_visitor(monkeypatch, OTHER)
    begun = loaded_anew(app)
    assert begun.number_input(key=f"learn.{name}.predicted").value is None
    assert not any("You said" in text.value for text in begun.markdown)


@pytest.mark.parametrize(
    "changes",
    [
        {"stage": QUIZ + 1},
        {"predicted": 1e9},
        {"predicted": float("nan")},
        {"place": 0.123},
        {"answers": [7, None, None]},
        {"answers": []},
        {"median_of": "many"},
    ],
)
def test_what_no_visitor_can_have_come_to_is_passed_over(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_visitor(monkeypatch, ME)
    name = NAMES[0]
    app = predict(opened(name), name, 50.0)
    fine = loaded_anew(app, done=written(app, name, stage=OUTCOME))
    assert any("You said 50.00 %" in text.value for text in fine.markdown)
    begun = loaded_anew(app, done=written(app, name, **changes))
    assert begun.number_input(key=f"learn.{name}.predicted").value is None


def test_a_lesson_may_be_begun_anew() -> None:
    name = NAMES[0]
    app = predict(opened(name), name, 50.0)
    clicked(app, f"learn.{name}.anew")
    assert app.number_input(key=f"learn.{name}.predicted").value is None


def test_a_lesson_leads_to_tune_with_its_model_and_recipe() -> None:
    name = NAMES[0]
    app = predict(opened(name), name, 50.0)
    for stage in (WHY, EXERCISE, QUIZ):
        clicked(app, f"learn.{name}.to.{stage}")
    for number in range(3):
        app.radio(key=f"learn.{name}.quiz.{number}").set_value(0).run()
    clicked(app, f"learn.{name}.tune")
    view = app.session_state[state.KEY]
    assert (view.model, view.layer) == ("lenet300", "fc1")
    assert [step.technique for _name, steps in view.recipe.layers for step in steps] == ["magnitude"]


def test_what_is_wrong_with_the_open_model_is_not_said_above_a_lesson(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(header, "_problems", lambda _subject: st.error("fc1 is not finite"))
    app = opened(NAMES[0], m="lenet300")
    assert not app.error
    assert where(app).endswith("; what is open above plays no part in it")
    app.switch_page("pages/behavior.py").run()
    assert "fc1" in app.error[0].value


def test_a_lesson_speaks_of_what_is_open_above_it_where_something_is() -> None:
    assert where(opened(NAMES[0])) == "Step 1 of 5, on LeNet-300-100"


def test_what_a_visitor_works_on_is_not_touched_by_a_lesson() -> None:
    app = AppTest.from_file(APP, default_timeout=90)
    app.query_params["m"] = "lenet5"
    app.run()
    before = app.session_state[state.KEY]
    assert_fine(app.switch_page("pages/learn.py").run())
    name = NAMES[0]
    predict(app, name, 50.0)
    move(app, name, 0.5)
    assert app.session_state[state.KEY].lineage == before.lineage == ()
