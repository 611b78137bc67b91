"""Which lesson is open, with which seed, and the link that leads here: lesson, seed and language."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.bound_widget import by_hand, showing
from dashboard.language import QUERY_KEY
from dashboard.learn.lesson_files import lessons
from dashboard.link_address import link_to, say_how_to_serve
from dashboard.linked_choices import MOST_DIGITS
from dashboard.shared_choice import SharedChoice
from dashboard.text import _, current_language

BOX = "learn.lesson"


def _lesson_of(text: str) -> str | None:
    return text if text in lessons() else None


def _seed_of(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < MOST_DIGITS else None


LESSON: SharedChoice[str] = SharedChoice("lesson", "", _lesson_of)
SEED: SharedChoice[int] = SharedChoice("seed", 0, _seed_of)


def chosen_seed() -> int:
    """The seed of the open model, or of the link where none is open."""
    view = state.current()
    return SEED.chosen() if view is None else view.seed


def chosen_lesson() -> str:
    """The name of the open lesson; the first one where nothing was chosen."""
    return LESSON.chosen() or next(iter(lessons()))


def draw() -> None:
    """The list of lessons, and the link to the one that is open."""
    chosen = chosen_lesson()
    box, link = st.columns([4, 1], vertical_alignment="bottom")
    box.selectbox(
        _("Lesson"),
        list(lessons()),
        format_func=lambda name: _(lessons()[name].title),
        key=showing(BOX, chosen),
        on_change=by_hand(BOX, _take_over),
        label_visibility="collapsed",
    )
    with link.popover(_("Link"), icon=":material/link:", key="learn.link", width="stretch"):
        st.markdown(_("Whoever opens this link begins this lesson, with the same seed and language:"))
        st.code(lesson_link(chosen), language=None, wrap_lines=True)
        say_how_to_serve(lesson_link(chosen))


def lesson_link(name: str) -> str:
    """The address of a lesson."""
    said = {
        "lesson": name,
        "seed": str(chosen_seed()),
        QUERY_KEY: current_language(),
    }
    return link_to(said)


def _take_over() -> None:
    LESSON.choose(st.session_state[BOX])
