"""Why does it work? Lessons on real models: predict, see what comes out, and find out why."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.texts import N_
from dashboard import presenter_switch, state
from dashboard.learn import lesson_choice, lesson_steps
from dashboard.learn.classroom import class_box
from dashboard.learn.lesson_files import lessons
from dashboard.limits_box import draw_limits
from dashboard.link_limits import LESSON_CONTROLS, limits
from dashboard.linked_choices import is_presenting
from dashboard.show import refusals
from dashboard.text import _

TITLE = N_("Learn")
ICON = ":material/school:"
ORDER = 70
WAITS = False
OF_MODEL = False

state.through_app()


def _above() -> None:
    """Title, class and lesson; for a projector in one line, without the title."""
    if is_presenting():
        lesson, of_class, presenting = st.columns([2.7, 2.3, 1.1], vertical_alignment="center")
    else:
        title, of_class, presenting = st.columns([1.2, 2.6, 0.9], vertical_alignment="center")
        title.title(_("Why does it work?"))
        lesson = st.container()
    with of_class:
        class_box.draw()
    with presenting:
        presenter_switch.draw("learn.present")
    with lesson, refusals():
        lesson_choice.draw()


_above()
with refusals():
    draw_limits(limits(), LESSON_CONTROLS)
    name = lesson_choice.chosen_lesson()
    with st.container(key="learn_lesson"):
        lesson_steps.draw(name, lessons()[name])
