"""A class on Learn, as Streamlit runs it for its teacher and its pupils."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest, app_test

from dashboard.learn.classroom.class_register import MOST_CLASSES, register
from dashboard.learn.classroom.classroom import MOST_PUPILS
from dashboard.learn.classroom.open_class import class_code
from dashboard.learn.lesson_files import lessons
from dashboard.learn.lesson_progress import EXERCISE, QUIZ, WHY
from tests.navigated import Navigated
from tests.test_page_learn import assert_fine, clicked, counted_runs, opened, predict

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow

NAME = "smallest_weights"
OUTCOME = "96.15"
TEXTS = ("markdown", "caption", "warning", "success", "error", "info")


@pytest.fixture(autouse=True)
def _served(monkeypatch: pytest.MonkeyPatch) -> None:
    register.cache_clear()
    monkeypatch.setattr(app_test, "PagesManager", Navigated)
    # What is worked out while a visitor thinks would still be at it when the last test ends.
    monkeypatch.setattr("dashboard.learn.lesson_steps.begin_to_work_out", lambda *_: None)


def started() -> tuple[AppTest, str]:
    """The teacher's page, and the code of the class."""
    teacher = clicked(opened(NAME), "learn.class.start")
    return teacher, code_in(teacher)


def code_in(page: AppTest) -> str:
    """The code in the address, which a test finds bare or in a list."""
    said = page.query_params["class"]
    return said if isinstance(said, str) else said[0]


def pupil_of(code: str, name: str = NAME) -> AppTest:
    """A pupil's page at its prediction: the questions before it were passed over, if there were any."""
    page = opened(name, **{"class": code})
    send = f"learn.{name}.before.send"
    return clicked(page, send) if any(button.key == send for button in page.button) else page


def said_on(page: AppTest) -> str:
    """Every text that a browser is sent, and what is drawn in figures."""
    said = [element.value for kind in TEXTS for element in getattr(page, kind)]
    return "\n".join([*said, *(chart.proto.spec for chart in page.get("plotly_chart"))])


def metrics(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def test_the_teacher_sees_what_all_predict_and_reveals_it_to_everybody() -> None:
    teacher, code = started()
    pupils = [pupil_of(code) for _ in range(3)]
    predict(pupils[0], NAME, 50.0)
    predict(pupils[1], NAME, 80.0)
    assert_fine(teacher.run())
    assert metrics(teacher) == {"Joined": "3", "Asked before": "3", "Committed": "2"}
    for page in (teacher, pupils[0]):
        assert OUTCOME not in said_on(page)
    assert "2 of 3 have committed" in said_on(assert_fine(pupils[0].run()))
    assert not pupils[0].get("plotly_chart")
    clicked(teacher, f"learn.{NAME}.reveal")
    assert "The class said 65.00 % (median of 2), it is 96.15 %" in said_on(teacher)
    said = said_on(assert_fine(pupils[0].run()))
    assert "You said 50.00 %, it is 96.15 %" in said
    assert "1 from 50 to 55, 1 from 80 to 85" in said
    late = said_on(predict(pupils[2], NAME, 90.0))
    assert "came after the reveal and is not among them" in late
    assert "1 from 50 to 55, 1 from 80 to 85" in late


def test_a_changed_prediction_replaces_the_one_before() -> None:
    teacher, code = started()
    pupil = predict(pupil_of(code), NAME, 50.0)
    assert pupil.number_input(key=f"learn.{NAME}.predicted").value == 50.0
    predict(pupil, NAME, 60.0)
    assert "You committed to **60.00 %**" in said_on(pupil)
    assert metrics(assert_fine(teacher.run()))["Committed"] == "1"
    classroom = register().found(code)
    assert classroom is not None
    assert classroom.predictions(NAME) == (60.0,)


def test_a_prediction_that_cannot_be_written_is_not_taken() -> None:
    _, code = started()
    pupil = predict(pupil_of(code), NAME, 4000.0)
    assert "Write a number first" in said_on(pupil)
    classroom = register().found(code)
    assert classroom is not None
    assert classroom.predictions(NAME) == ()


@pytest.mark.parametrize("code", ["badegidome", "no such class", "x" * 500, "**b** <i>"])
def test_a_class_that_is_not_held_is_one_sentence_and_the_lesson_works_alone(code: str) -> None:
    page = pupil_of(code)
    assert said_on(page).count("The class of this link is not held here") == 1
    assert "You said 50.00 %, it is 96.15 %" in said_on(predict(page, NAME, 50.0))


def test_pupils_go_on_alone_when_their_class_ends() -> None:
    teacher, code = started()
    pupil = predict(pupil_of(code), NAME, 50.0)
    clicked(teacher, "learn.class.end")
    assert "The class of this link" not in said_on(teacher)
    said = said_on(assert_fine(pupil.run()))
    assert "The class of this link is not held here" in said
    assert "You said 50.00 %, it is 96.15 %" in said


def test_a_server_that_is_new_says_so_to_the_teacher_and_starts_another_class() -> None:
    teacher, code = started()
    register.cache_clear()
    assert "or the server was started anew" in said_on(assert_fine(teacher.run()))
    clicked(teacher, "learn.class.start")
    assert code_in(teacher) != code


def test_a_pupil_has_nothing_that_only_the_teacher_has() -> None:
    _, code = started()
    pupil = pupil_of(code.upper())
    assert f"You are in class **{code}**" in said_on(pupil)
    keys = {button.key for button in pupil.button}
    assert "learn.class.leave" in keys
    assert not keys & {"learn.class.end", "learn.class.start", f"learn.{NAME}.reveal"}


def test_who_leaves_takes_along_what_was_said() -> None:
    teacher, code = started()
    pupil = predict(pupil_of(code), NAME, 50.0)
    clicked(pupil, "learn.class.leave")
    assert metrics(assert_fine(teacher.run())) == {"Joined": "0", "Asked before": "0", "Committed": "0"}
    assert "class" not in pupil.query_params


def full_class() -> tuple[AppTest, str]:
    """The teacher's page and the code of a class without a free place, one of whose pupils predicted."""
    teacher, code = started()
    for number in range(MOST_PUPILS):
        register().change(code, lambda classroom: classroom.joined(str(number)))  # noqa: B023 - called at once
    register().change(code, lambda classroom: classroom.committed("0", NAME, 80.0))
    return teacher, code


def test_who_finds_a_class_full_is_told_and_sees_no_outcome_before_its_pupils_do() -> None:
    teacher, code = full_class()
    page = pupil_of(code)
    for shown in (page, opened(NAME, **{"class": code, "revealed": "1"})):
        said = said_on(predict(shown, NAME, 50.0))
        assert f"This class has {MOST_PUPILS} pupils" in said
        assert "you have no place in it" in said
        assert "You committed to **50.00 %**" in said
        assert OUTCOME not in said
        assert not shown.get("plotly_chart")
    clicked(assert_fine(teacher.run()), f"learn.{NAME}.reveal")
    said = said_on(assert_fine(page.run()))
    assert "You said 50.00 %, it is 96.15 %" in said
    assert "the class has no place for you" in said
    assert "came after the reveal" not in said
    classroom = register().found(code)
    assert classroom is not None
    assert classroom.predictions(NAME) == (80.0,)


def test_a_place_that_becomes_free_is_taken_by_whoever_waits_for_one() -> None:
    _, code = full_class()
    page = predict(pupil_of(code), NAME, 50.0)
    register().change(code, lambda classroom: classroom.left("1"))
    said = said_on(assert_fine(page.run()))
    assert f"You are in class **{code}**" in said
    assert "You committed" not in said


def test_who_finds_a_class_full_may_leave_it_for_the_lesson_alone() -> None:
    _, code = full_class()
    page = clicked(pupil_of(code), "learn.class.leave")
    assert "class" not in page.query_params
    assert "You said 50.00 %, it is 96.15 %" in said_on(predict(page, NAME, 50.0))


def test_outside_of_a_class_there_is_no_code() -> None:
    assert class_code() == ""


def test_a_class_is_asked_before_and_after_and_its_teacher_takes_the_counts_away() -> None:
    teacher, code = started()
    pupil = opened(NAME, **{"class": code})
    assert OUTCOME not in said_on(pupil)
    assert not pupil.number_input
    pupil.radio(key=f"learn.{NAME}.before.0").set_value(1)
    predict(clicked(pupil, f"learn.{NAME}.before.send"), NAME, 50.0)
    clicked(assert_fine(teacher.run()), f"learn.{NAME}.reveal")
    for page in (assert_fine(pupil.run()), teacher):
        for stage in (WHY, EXERCISE, QUIZ):
            clicked(page, f"learn.{NAME}.to.{stage}")
    for place in (0, 1):  # the second choice follows the feedback to the first
        assert_fine(pupil.radio(key=f"learn.{NAME}.quiz.0").set_value(place).run())
    assert_fine(teacher.run())
    right = [answer.is_right for answer in lessons()[NAME].quiz[0].answers]
    row = next(m.value for m in teacher.markdown if "Right before" in m.value).splitlines()[2]
    assert [cell.strip().replace("\u00a0", " ") for cell in row.split("|")[2:4]] == [
        f"{right[1]:d} of 1",
        f"{right[0]:d} of 1",
    ]
    file = next(b for b in teacher.get("download_button") if "results" in b.proto.id)
    assert code not in str(file.proto)


def test_what_is_done_in_a_class_draws_the_page_once(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = opened(NAME)
    runs = counted_runs(monkeypatch)
    code = code_in(clicked(teacher, "learn.class.start"))
    assert len(runs) == 1
    pupil = opened(NAME, **{"class": code})
    runs.clear()
    assert clicked(pupil, f"learn.{NAME}.before.send").number_input
    assert len(runs) == 1
    assert "You committed to **50.00 %**" in said_on(predict(pupil, NAME, 50.0))
    assert len(runs) == 2


def test_a_server_that_holds_many_classes_says_so_once_beside_the_button() -> None:
    for number in range(MOST_CLASSES):
        register().start(str(number))
    page = clicked(opened(NAME), "learn.class.start")
    assert said_on(page).count(f"holds {MOST_CLASSES} classes") == 1
    assert "holds" not in said_on(assert_fine(page.run()))
    assert "class" not in page.query_params


def test_presenting_a_lesson_is_switched_on_and_off_where_no_model_is_open() -> None:
    page = opened(NAME)
    for is_on in (True, False):
        assert_fine(page.toggle(key="learn.present").set_value(is_on).run())
        switch = assert_fine(page.run()).toggle(key="learn.present")
        assert switch.value == is_on
        assert not switch.proto.label_visibility.value, "it says what it is, on as well as off"
        assert ("present" in page.query_params) == is_on
    assert [title.value for title in page.title] == ["Why does it work?"]


def test_a_class_whose_link_hides_the_questions_is_not_asked_them_before() -> None:
    _, code = started()
    assert not opened(NAME, **{"class": code}).number_input
    assert opened(NAME, **{"class": code, "hide": "quiz"}).number_input


def test_class_and_limits_stand_in_the_link_of_every_page_that_may_be_loaded_anew() -> None:
    said = {"m": "tabular", "class": "nonezinene", "hide": "quiz"}
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in said.items():
        page.query_params[name] = value
    page.run()
    page.switch_page("pages/deploy.py").run()
    assert {name: str(page.query_params[name]).strip("[]'") for name in said} == said
