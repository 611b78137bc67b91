"""What a hand did first comes first: messages of the page are heard before anybody asks what is set.

Streamlit calls a button before a component, and a run that was overtaken does not call what it had left to
do. So a component that sends messages says here how they are heard, and whoever reads the visitor's view has
them heard before: a button, a slider, the next run, another page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import streamlit as st

_KEY = "slimscope.hearing"
_is_hearing: ContextVar[bool] = ContextVar("is_hearing", default=False)


def listen(key: str, hear: Callable[[], None]) -> None:
    """Have the messages of the component of this key heard by calling this, which does each of them once."""
    st.session_state.setdefault(_KEY, {})[key] = hear


def hear_all() -> None:
    """Do what was said and not heard yet; who does it may ask what is set while doing so."""
    if _is_hearing.get():
        return
    began = _is_hearing.set(True)
    try:
        hearers: dict[str, Callable[[], None]] = st.session_state.get(_KEY, {})
        for hear in list(hearers.values()):
            hear()
    finally:
        _is_hearing.reset(began)


@contextmanager
def noted_once_done(key: str, serial: str) -> Iterator[None]:
    """Around what a message asks for: its serial is noted under a key when that is done, or has failed.

    Not where the run was overtaken, which Streamlit says with exceptions of its own kind: the next run does
    it. What failed would fail in every run to come, before anything is drawn.
    """
    try:
        yield
    except Exception:
        st.session_state[key] = serial
        raise
    st.session_state[key] = serial


def forget() -> None:
    """Let go of who hears for components that the page draws no more, with all that they hold."""
    hearers: dict[str, Callable[[], None]] = st.session_state.get(_KEY, {})
    for gone in [key for key in hearers if key not in st.session_state]:
        del hearers[gone]
