"""Why does it work? Lessons on real models: predict, see what comes out, and find out why."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.texts import N_
from dashboard import state
from dashboard.learn import lesson_choice, lesson_steps
from dashboard.learn.classroom import class_box
from dashboard.learn.lesson_files import lessons
from dashboard.limits_box import draw_limits
from dashboard.link_limits import LESSON_CONTROLS, limits
from dashboard.show import refusals
from dashboard.text import _

TITLE = N_("Learn")
ICON = ":material/school:"
ORDER = 70
WAITS = False

state.through_app()
title, of_class = st.columns([1, 2], vertical_alignment="center")
title.title(_("Why does it work?"))
with of_class:
    class_box.draw()
with refusals():
    lesson_choice.draw()
    draw_limits(limits(), LESSON_CONTROLS)
    name = lesson_choice.chosen_lesson()
    lesson_steps.draw(name, lessons()[name])
