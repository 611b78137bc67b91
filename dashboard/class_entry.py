"""The second look at who is let in: a session without a key is drawn one sentence and no more."""

from __future__ import annotations

import streamlit as st

from dashboard.class_door import class_door
from dashboard.class_gate import ASK
from dashboard.text import _


def is_open() -> bool:
    """Whether there is no door, or this visitor brought its key; else the page says what to ask for."""
    door = class_door()
    if door is None or door.knows(st.context.cookies):
        return True
    st.info(_(ASK), icon=":material/school:")
    return False
