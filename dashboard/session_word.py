"""The word of a session, by which a browser that outlived its server sees that it speaks to a new one."""

from __future__ import annotations

import secrets

import streamlit as st

_KEY = "slimscope.session_word"


def session_word() -> str:
    """The same for all runs of this session; no other session has it."""
    word: str = st.session_state.setdefault(_KEY, secrets.token_hex(8))
    return word
