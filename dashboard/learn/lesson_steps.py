"""The steps of a lesson, one after the other: each is shown once the one before it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import streamlit as st

from compress_core.loading.cards import card_of
from dashboard import state
from dashboard.learn import figure_ahead, lesson_quiz, live_part
from dashboard.learn.classroom import class_progress, class_quiz, class_view
from dashboard.learn.classroom.open_class import OpenClass, act, open_class
from dashboard.learn.lesson import Lesson
from dashboard.learn.lesson_choice import chosen_seed, is_revealed, seed_of_answers
from dashboard.learn.lesson_numbers import SPLIT, begin_to_work_out, number_of, wait_until_worked_out
from dashboard.learn.lesson_progress import (
    EXERCISE,
    OUTCOME,
    PROGRESS,
    QUESTION,
    QUIZ,
    WHY,
    LessonProgress,
    keep_progress,
    progress_in,
)
from dashboard.learn.quantity_words import quantity_label, unit_of_quantity, written_text
from dashboard.link_limits import limits
from dashboard.linked_choices import is_presenting
from dashboard.text import _

LIMITED: Mapping[int, str] = MappingProxyType({WHY: "why", EXERCISE: "exercise", QUIZ: "quiz"})


def draw(name: str, lesson: Lesson) -> None:
    """Left the step with its text, right the live part once a prediction was made and may be compared."""
    PROGRESS.keep()  # in the address of a teacher too, who looks at no progress before the outcome is open
    found = open_class()
    if found is not None:
        class_progress.take_over(found, name, lesson)
    if class_quiz.is_due(found, name):
        _before(name, lesson)
    elif found is not None and found.holds_back(name):
        _held_back(name, lesson, found)
    else:
        _open(name, lesson, is_teacher=found is not None and found.is_teacher)


def _before(name: str, lesson: Lesson) -> None:
    """What a class is asked before the lesson begins."""
    words, _nothing = st.columns([1, 1.25], gap="large")
    with words:
        class_quiz.draw_before(name, lesson, seed_of_answers())
    begin_to_work_out(name, lesson)


def _held_back(name: str, lesson: Lesson, found: OpenClass) -> None:
    """The question, and what the class does with it: its outcome waits for the teacher."""
    words, gathered = st.columns([1, 1.25], gap="large")
    with words:
        _where(lesson, QUESTION)
        if found.is_teacher:
            st.markdown(question_text(lesson))
        else:
            _question(name, lesson)
    with gathered:
        if found.is_teacher:
            class_view.draw_for_teacher(name, lesson)
        elif progress_in(name).predicted is not None:
            class_view.draw_for_pupil(name, lesson)
    begin_to_work_out(name, lesson)


def _open(name: str, lesson: Lesson, *, is_teacher: bool) -> None:
    stage = _stage_of(name)
    if stage > QUESTION:
        with st.spinner(_("The real model is being asked")):  # on a new server; later it is all in the store
            wait_until_worked_out(lesson)
    if stage == QUIZ and is_presenting():  # its questions stand side by side
        words, live = st.container(), st.container()
    else:
        words, live = st.columns([1, 1.25], gap="large")
    with words:
        _where(lesson, stage)
        STEPS[stage](name, lesson)
        if stage > QUESTION:
            _around(name, stage)
    if stage > QUESTION:
        with live:
            if is_teacher and stage == QUIZ:
                class_quiz.draw_results(name, lesson, chosen_seed())
            elif stage < QUIZ or not is_presenting():
                live_part.draw(name, lesson)
    else:
        begin_to_work_out(name, lesson)
        figure_ahead.draw()


def _where(lesson: Lesson, stage: int) -> None:
    where = _("Step {step} of {steps}, on {model}")
    if state.current() is not None:
        where = _("Step {step} of {steps}, on {model}; what is open above plays no part in it")
    shown = shown_steps()
    st.caption(where.format(step=shown.index(stage) + 1, steps=len(shown), model=card_of(lesson.model).title))


def filled(lesson: Lesson, text: str) -> str:
    """A text in the visitor's language, with the numbers that it names."""
    said = {
        name: written_text(asked.quantity, number_of(lesson, asked))
        for name, asked in lesson.numbers.items()
        if f"{{{name}}}" in text
    }
    return _(text).format(**said)


def question_text(lesson: Lesson) -> str:
    """The question, with what the model's card says of it; nothing is loaded for that."""
    card = card_of(lesson.model)
    share = card.accuracy[SPLIT].value
    return _(lesson.question).format(
        accuracy=unit_of_quantity("accuracy").text(100 * share), parameters=f"{card.parameters:,}"
    )


def _question(name: str, lesson: Lesson) -> None:
    """What is asked, and the number that a visitor commits to; nothing of the answer is sent."""
    st.markdown(question_text(lesson))
    asked, before = lesson.prediction, progress_in(name).predicted
    unit = unit_of_quantity(asked.quantity)
    symbol = unit.symbol
    label = _(asked.label) + (f" ({_(symbol)})" if symbol else "")
    with st.form(f"learn.{name}.form", border=True):
        predicted = st.number_input(
            label,
            asked.low,
            asked.high,
            value=before,
            step=asked.step,
            key=f"learn.{name}.predicted",
            placeholder=_("your prediction"),
        )
        committed = st.form_submit_button(
            _("Commit") if before is None else _("Change it"),
            type="primary",
            icon=":material/lock:",
            key=f"learn.{name}.commit",
            on_click=_commit,
            args=(name,),
        )
    if committed and predicted is None:
        st.warning(_("Write a number first: what you expect before you see it is what teaches."))


def _commit(name: str) -> None:
    """Take the number in the form before the page is drawn: the run that follows draws the outcome."""
    predicted: float | None = st.session_state[f"learn.{name}.predicted"]
    if predicted is None:
        return
    act(lambda classroom, me: classroom.committed(me, name, predicted))
    keep_progress(name, replace(progress_in(name), predicted=predicted, stage=OUTCOME))


def _outcome(name: str, lesson: Lesson) -> None:
    st.markdown(f"**{live_part.distance(name, lesson)}**")
    if "knob" not in limits().locked:
        st.markdown(
            _("Move the knob: {quantity} at every place is what the real model does.").format(
                quantity=quantity_label(lesson.prediction.quantity)
            )
        )
    found = open_class()
    if found is not None and found.classroom.predictions(name):
        _of_class(name, lesson, found)


def _of_class(name: str, lesson: Lesson, found: OpenClass) -> None:
    """What the class predicted; with this visitor's own, if it is among them."""
    mine = None if found.pupil is None else found.pupil.predictions.get(name)
    class_view.draw_histogram(found.classroom, name, lesson, live_part.outcome_written(lesson), mine)
    if found.is_teacher or mine is not None:
        return
    if found.pupil is None:
        st.caption(_("Your own prediction is not among them: the class has no place for you."))
    else:
        st.caption(_("Your own prediction came after the reveal and is not among them."))


def _why(_name: str, lesson: Lesson) -> None:
    st.markdown(filled(lesson, lesson.why))
    with st.expander(_("The formula, with the numbers of this model"), icon=":material/functions:"):
        st.latex(lesson.formula)
        st.markdown(filled(lesson, lesson.these_numbers))
    with st.container(border=True):
        st.markdown(_(":material/lightbulb: **A surprise**"))
        st.markdown(filled(lesson, lesson.surprise))


def _exercise(name: str, lesson: Lesson) -> None:
    st.markdown(filled(lesson, lesson.exercise))
    for line in live_part.goal_lines(name, lesson):
        st.markdown(line)
    if live_part.goal_is_reached(name, lesson):
        st.success(filled(lesson, lesson.solved), icon=":material/check:")


def _quiz(name: str, lesson: Lesson) -> None:
    lesson_quiz.draw(name, lesson, filled)


STEPS: Mapping[int, Callable[[str, Lesson], None]] = MappingProxyType(
    {QUESTION: _question, OUTCOME: _outcome, WHY: _why, EXERCISE: _exercise, QUIZ: _quiz}
)


def shown_steps() -> list[int]:
    """The steps that the link shows: without the knob there is no exercise."""
    found = limits()
    hidden = {*found.hidden, *({"exercise"} if "knob" in found.locked else ())}
    return [step for step in STEPS if LIMITED.get(step) not in hidden]


def _stage_of(name: str) -> int:
    """How far a visitor is, or the last step before that which the link shows; one may reveal at once."""
    first = OUTCOME if is_revealed() else QUESTION
    return max(step for step in shown_steps() if step <= max(first, progress_in(name).stage))


def _around(name: str, stage: int) -> None:
    """The way to the next step, and back to the one before; a prediction stays as it was made."""
    said = {WHY: _("Why is that?"), EXERCISE: _("Now yourself"), QUIZ: _("Three questions")}
    shown = shown_steps()
    later, earlier = (step for step in shown if step > stage), [step for step in shown if step < stage]
    following = next(later, None)
    with st.container(horizontal=True):
        if following is not None:
            st.button(
                said[following],
                type="primary",
                icon=":material/arrow_forward:",
                key=f"learn.{name}.to.{following}",
                on_click=_go,
                args=(name, following),
            )
        if stage > OUTCOME:
            st.button(_("Back"), key=f"learn.{name}.back.{stage}", on_click=_go, args=(name, earlier[-1]))
        if open_class() is None and not is_revealed():  # a class keeps what was predicted in it
            st.button(
                _("Begin anew"),
                icon=":material/replay:",
                type="tertiary",
                key=f"learn.{name}.anew",
                help=_("Your prediction and your answers in this lesson are forgotten."),
                on_click=keep_progress,
                args=(name, LessonProgress()),
            )


def _go(name: str, stage: int) -> None:
    keep_progress(name, replace(progress_in(name), stage=stage))
