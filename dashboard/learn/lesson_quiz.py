"""Three questions with feedback at once, and from there to the open page with what stands in the lesson."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from dashboard import state
from dashboard.bound_widget import by_hand, showing
from dashboard.learn import live_part
from dashboard.learn.classroom import class_quiz
from dashboard.learn.lesson import Lesson
from dashboard.learn.lesson_choice import seed_of_answers
from dashboard.learn.lesson_progress import keep_progress, progress_in
from dashboard.linked_choices import is_presenting
from dashboard.show import refusals
from dashboard.start import opening
from dashboard.text import _

Filled = Callable[[Lesson, str], str]


def draw(name: str, lesson: Lesson, filled: Filled) -> None:
    """Each question with the feedback to what was chosen; the last one opens the way out.

    For a projector they stand side by side.
    """
    places = st.columns(len(lesson.quiz), gap="medium") if is_presenting() else [st.container()] * 3
    orders = lesson.answers_in_order(seed_of_answers())
    for number, (order, place) in enumerate(zip(orders, places, strict=True)):
        with place:
            _ask(name, lesson, number, order, filled)
    if progress_in(name).has_ended:
        _way_on(name, lesson)


def _ask(name: str, lesson: Lesson, number: int, order: tuple[int, ...], filled: Filled) -> None:
    question, key = lesson.quiz[number], f"learn.{name}.quiz.{number}"
    chosen = st.radio(
        filled(lesson, question.text),
        order,
        index=None,
        format_func=lambda place: filled(lesson, question.answers[place].text),
        key=showing(key, progress_in(name).answers[number]),
        on_change=by_hand(key, _answer, name, number, key),
    )
    if chosen is not None:
        answer = question.answers[chosen]
        said = filled(lesson, answer.feedback)
        if answer.is_right:
            st.success(said, icon=":material/check:")
        else:
            st.warning(said, icon=":material/replay:")


def _answer(name: str, number: int, key: str) -> None:
    chosen: int | None = st.session_state[key]
    keep_progress(name, progress_in(name).answered(number, chosen))
    class_quiz.note_after(name, number, chosen)


def _way_on(name: str, lesson: Lesson) -> None:
    """To Tune, with the model and the recipe of the lesson."""
    if not is_presenting():
        st.markdown(_("That was the lesson. Everything else can be turned as well, on the same model:"))
    if st.button(
        _("Open this state on Tune"), icon=":material/tune:", type="primary", key=f"learn.{name}.tune"
    ):
        with refusals():
            _open(name, lesson)
            opening.go(opening.TUNE)


def _open(name: str, lesson: Lesson) -> None:
    from compress_core.recipe.reading import parse_recipe

    view = opening.open_model(lesson.model)
    recipe = lesson.knob.recipe_at(live_part.place_of_knob(name, lesson))
    if recipe is not None:
        view = state.with_recipe(view, parse_recipe(recipe))
    state.keep(replace(view, layer=lesson.layer))
