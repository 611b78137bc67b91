"""How pages lie on the screen, in one style sheet."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_SHEET = Path(__file__).parent / "page_style.css"


def draw() -> None:
    """Give the page its style; it takes no room."""
    st.html(_SHEET)
