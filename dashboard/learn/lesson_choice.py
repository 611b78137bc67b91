"""Which lesson is open, with which seed, and the link that leads here: lesson, seed and language."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.bound_widget import by_hand, showing
from dashboard.learn.classroom.open_class import CLASS, class_code
from dashboard.learn.lesson_files import lessons
from dashboard.limits_box import choose_limits
from dashboard.link_address import link_to
from dashboard.link_builder import draw_builder, language_and_seed, open_builder, show_link
from dashboard.link_limits import LESSON_CONTROLS
from dashboard.linked_choices import MOST_DIGITS
from dashboard.shared_choice import SharedChoice
from dashboard.text import _

BOX = "learn.lesson"
_NAME = "lesson"


def _lesson_of(text: str) -> str | None:
    return text if text in lessons() else None


def _seed_of(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < MOST_DIGITS else None


LESSON: SharedChoice[str] = SharedChoice("lesson", "", _lesson_of)
SEED: SharedChoice[int] = SharedChoice("seed", 0, _seed_of)
REVEALED: SharedChoice[str] = SharedChoice("revealed", "", lambda text: text if text == "1" else None)


def is_revealed() -> bool:
    """Whether the link shows outcomes without a prediction."""
    return bool(REVEALED.chosen())


def chosen_seed() -> int:
    """The seed of the open model, or of the link where none is open."""
    view = state.current()
    return SEED.chosen() if view is None else view.seed


def seed_of_answers() -> int | str:
    """What decides in which order answers stand: the same for a whole class, whatever model is open."""
    return CLASS.chosen() or chosen_seed()


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
    link.button(
        _("Link"),
        icon=":material/qr_code_2:",
        key="learn.link",
        width="stretch",
        on_click=open_builder,
        args=(_NAME,),
    )
    draw_builder(_NAME, _build)


def _build() -> None:
    """The link to the lesson that is open, for others."""
    name = chosen_lesson()
    fields, picture = st.columns([1, 1], gap="medium")
    with fields:
        st.markdown(
            _("Whoever opens this link begins the lesson **{title}**.").format(title=_(lessons()[name].title))
        )
        said = {"lesson": name, **language_and_seed(chosen_seed()), "class": class_code()}
        said |= choose_limits(LESSON_CONTROLS).said()
        if not said["class"]:  # whose teacher reveals
            said["revealed"] = _chosen_reveal()
        link = link_to({key: text for key, text in said.items() if text})
        show_link(picture, link, "", name)
        if said["class"]:
            st.caption(_("It leads into class {code}.").format(code=said["class"]))


def _chosen_reveal() -> str:
    about = _("For looking things up afterwards: whoever opens the link sees the outcome without predicting.")
    return "1" if st.toggle(_("Outcome revealed at once"), key="link.revealed", help=about) else ""


def _take_over() -> None:
    LESSON.choose(st.session_state[BOX])
