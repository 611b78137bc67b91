"""The browser's way back: a page is one entry of it, although Streamlit writes its address twice."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import tab

_mount = st.components.v2.component(
    "slimscope_way_back", js=(Path(__file__).parent / "way_back.js").read_text(encoding="utf-8")
)


def one_entry_a_page() -> None:
    """Have the browser complete a bare address in place; nothing is drawn.

    Streamlit shows a page under its bare address first and completes it at the end of the run. Back led to
    the bare one, where nothing happened, and pressed again in haste to a page that was not asked for.
    """
    _mount(key="slimscope.way_back", data={"completed": tab.QUERY_KEY}, height=0)
