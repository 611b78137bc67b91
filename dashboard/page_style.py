"""How pages lie on the screen, for a projector too, in style sheets; and what the browser does by itself."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard.linked_choices import is_presenting
from dashboard.page_manners import mind_manners

_HERE = Path(__file__).parent


def draw() -> None:
    """Give the page its style; it takes no room."""
    st.html(_HERE / "page_style.css")
    if is_presenting():
        st.html(_HERE / "presenter_style.css")
    mind_manners()
