"""The line of the class on Learn: start one, see in which one is, end or leave it."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.errors import Refused
from dashboard.learn.classroom.class_register import IDLE_HOURS, register
from dashboard.learn.classroom.open_class import CLASS, OpenClass, act, enter, open_class
from dashboard.show import refusals
from dashboard.text import _
from dashboard.visitor import visitor

_REFUSED = "slimscope.learn.class_refused"


def draw() -> None:
    """One line: the class that is open, or a button that starts one."""
    line = st.container(
        key="learn_class",
        horizontal=True,
        horizontal_alignment="right",
        vertical_alignment="center",
        gap="small",
    )
    with line:
        with refusals():
            enter()
        with refusals():
            _of(open_class())


def _of(found: OpenClass | None) -> None:
    if found is None:
        _without_class()
    elif found.is_teacher:
        _of_teacher(found)
    elif found.pupil is not None:
        _of_pupil(found)
    else:
        _leave_button(_("The lesson works alone then."))


def _without_class() -> None:
    if CLASS.chosen():
        st.caption(
            _(
                "The class of this link is not held here: its teacher has ended it, nobody did anything in "
                "it for {hours} hours, or the server was started anew. The lesson works alone."
            ).format(hours=IDLE_HOURS)
        )
    mine = register().code_of(visitor())
    said = _("Back to your class {code}").format(code=mine) if mine else _("Start a class")
    about = _(
        "Whoever opens the link of the lesson then joins: you see what all predicted, and reveal the "
        "outcome. Nobody needs an account, and nothing is kept when the class ends."
    )
    st.button(said, icon=":material/groups:", key="learn.class.start", help=about, on_click=_start)
    refused: Refused | None = st.session_state.pop(_REFUSED, None)
    if refused is not None:
        raise refused


def _of_teacher(found: OpenClass) -> None:
    st.markdown(_("You hold class **{code}**").format(code=found.code), width="content")
    about = _("All that was predicted and answered in it is gone then.")
    st.button(_("End the class"), icon=":material/stop:", key="learn.class.end", help=about, on_click=_end)


def _of_pupil(found: OpenClass) -> None:
    st.markdown(_("You are in class **{code}**").format(code=found.code), width="content")
    _leave_button(_("What you predicted and answered is taken out of it."))


def _leave_button(about: str) -> None:
    st.button(
        _("Leave the class"), icon=":material/logout:", key="learn.class.leave", help=about, on_click=_leave
    )


def _start() -> None:
    """Before the page is drawn, with the class in it; why there is none is said beside the button."""
    try:
        CLASS.choose(register().start(visitor()))
    except Refused as refused:
        st.session_state[_REFUSED] = refused


def _end() -> None:
    register().end(CLASS.chosen(), visitor())
    CLASS.choose("")


def _leave() -> None:
    act(lambda classroom, me: classroom.left(me))
    CLASS.choose("")
