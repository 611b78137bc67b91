"""Where the model is meant to run, in the words of its reviewer: a report says it, nothing is run there."""

from __future__ import annotations

import streamlit as st

from dashboard.bound_widget import by_hand, showing
from dashboard.shared_choice import SharedChoice
from dashboard.text import _

MOST_CHARACTERS = 80


def _read(text: str) -> str | None:
    return text if text and len(text) <= MOST_CHARACTERS and text.isprintable() else None


DEVICE: SharedChoice[str] = SharedChoice("device", "", _read)
RUNTIME: SharedChoice[str] = SharedChoice("runtime", "", _read)


def draw() -> None:
    """Two boxes, behind a button."""
    with st.popover(_("Target"), icon=":material/memory:"):
        _box(_("Device"), "review.device", DEVICE)
        _box(_("Runtime"), "review.runtime", RUNTIME)
        st.caption(_("The report names them; everything in it is computed in torch on this machine."))


def _box(title: str, key: str, choice: SharedChoice[str]) -> None:
    st.text_input(
        title,
        key=showing(key, choice.chosen()),
        max_chars=MOST_CHARACTERS,
        on_change=by_hand(key, lambda: choice.choose((_read(st.session_state[key]) or "").strip())),
    )
