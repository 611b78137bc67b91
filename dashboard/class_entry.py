"""The second look at who is let in: a session whose connection brought no key draws one sentence and ends."""

from __future__ import annotations

import streamlit as st

from dashboard.class_door import class_door
from dashboard.class_gate import ASK
from dashboard.text import _


def required() -> None:
    """Go on where there is no door or this visitor brought its key; else end the page before it begins."""
    door = class_door()
    if door is not None and not door.knows(st.context.cookies):
        st.info(_(ASK), icon=":material/school:")
        st.stop()
