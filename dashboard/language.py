"""Which language a visitor reads: chosen here, in the link, or the one of the browser."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard import text

SESSION_KEY = "slimscope.language"
QUERY_KEY = "lang"


@text.asks
def wishes() -> Iterable[object]:
    """The languages that the visitor of this session wishes, the most wanted first."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return ()
    return (st.session_state.get(SESSION_KEY), st.query_params.get(QUERY_KEY), st.context.locale)


def remember_language() -> None:
    """A language that came with a link is the session's, since other pages have other addresses; speak it."""
    said = text.code_of(st.query_params.get(QUERY_KEY))
    if said is not None and SESSION_KEY not in st.session_state:
        st.session_state[SESSION_KEY] = said
    text.speak_as_asked()


def choose_language(code: str) -> None:
    """Keep a visitor's choice for this session and in the link."""
    st.session_state[SESSION_KEY] = code
    st.query_params[QUERY_KEY] = code
