"""The switch to a page for a projector; the page's link carries it along."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.linked_choices import PRESENT, PRESENT_NAME, is_presenting
from dashboard.text import _


def draw(key: str) -> None:
    """The switch, under a key of its own: a page may show two of them."""
    st.session_state[key] = is_presenting()  # a link, or another switch, may have changed it since
    st.toggle(
        _("Presenter mode"),
        key=key,
        help=_("Large type and little else on the screen, for a projector. The link carries it along."),
        on_change=_take_over,
        args=(key,),
    )


def _take_over(key: str) -> None:
    st.session_state[PRESENT] = st.session_state[key]
    if state.current() is not None:
        return
    if is_presenting():  # without a model the address is read in every run
        st.query_params[PRESENT_NAME] = "1"
    elif PRESENT_NAME in st.query_params:
        del st.query_params[PRESENT_NAME]
