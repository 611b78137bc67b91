"""A lesson whose outcome waits for the teacher: the teacher sees what all predict, a pupil how many did."""

from __future__ import annotations

from functools import partial

import streamlit as st

from compress_core.foundation.csv_table import Provenance
from dashboard.learn.classroom.class_words import drawn_class, how_many
from dashboard.learn.classroom.classroom import Classroom
from dashboard.learn.classroom.open_class import OpenClass, open_class, reveal
from dashboard.learn.lesson import Lesson
from dashboard.learn.lesson_progress import progress_in
from dashboard.learn.quantity_words import unit_of_quantity
from dashboard.show import figure, kept
from dashboard.text import _

ASKS_S = 1.0


def draw_for_teacher(name: str, lesson: Lesson) -> None:
    """Who joined, who committed and what was predicted, as it comes in; and the button that reveals."""
    st.fragment(partial(_gathering, name, lesson), run_every=ASKS_S)()


def draw_for_pupil(name: str, lesson: Lesson) -> None:
    """What was committed, and how many others have; until the teacher reveals the outcome."""
    st.fragment(partial(_waiting, name, lesson), run_every=ASKS_S)()


def draw_histogram(
    classroom: Classroom, name: str, lesson: Lesson, outcome: float | None, mine: float | None
) -> None:
    """The predictions of the class, with the outcome over them where it is open."""
    predictions = classroom.predictions(name)
    content = f"{name}:{predictions}:{len(classroom.pupils)}:{outcome}:{mine}"
    drawn = kept("learn.class", content, partial(drawn_class, classroom, name, lesson, outcome, mine))
    of = Provenance(lesson.model, f"lesson {name}", "class", len(predictions))
    figure(drawn, f"learn.{name}.class", of)


def _gathering(name: str, lesson: Lesson) -> None:
    found = open_class()
    if found is None or not found.holds_back(name):
        st.rerun()
    committed = len(found.classroom.predictions(name))
    pupils = found.classroom.pupils
    line = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    line.metric(_("Joined"), len(pupils), width="content")
    line.metric(_("Asked before"), sum(name in pupil.before for pupil in pupils.values()), width="content")
    line.metric(_("Committed"), committed, width="content")
    line.button(
        _("Reveal the outcome"),
        type="primary",
        icon=":material/visibility:",
        key=f"learn.{name}.reveal",
        disabled=not committed,
        help=_("Everybody in the class then sees it. Predictions made later are not among those shown."),
        on_click=reveal,
        args=(name,),
        width="stretch",
    )
    draw_histogram(found.classroom, name, lesson, None, None)


def _waiting(name: str, lesson: Lesson) -> None:
    found = open_class()
    mine = None if found is None else _prediction(found, name)
    if found is None or mine is None or not found.holds_back(name):
        st.rerun()
    with st.container(border=True):
        said = _("You committed to **{predicted}**.")
        st.markdown(said.format(predicted=unit_of_quantity(lesson.prediction.quantity).text(mine)))
        st.markdown(how_many(found.classroom, name))
        st.caption(_("The outcome opens here by itself as soon as the teacher reveals it."))


def _prediction(found: OpenClass, name: str) -> float | None:
    """What was committed; where the class has no room the visitor's own, and none once a place is free."""
    if found.pupil is not None:
        return found.pupil.predictions.get(name)
    return progress_in(name).predicted if found.classroom.is_full else None
