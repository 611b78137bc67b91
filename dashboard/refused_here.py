"""What was asked for and could not be done, said beside the button that was pressed."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.text import literal


def notice_beside(key: str) -> None:
    """Why nothing came of the widget of this key, once; `state.notice` leaves the sentence."""
    sentence = state.taken_notice(key)
    if sentence is not None:
        st.warning(literal(sentence), icon=":material/block:")
