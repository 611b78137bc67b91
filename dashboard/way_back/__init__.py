"""How a browser comes back: to an earlier page, one entry of its history each, and to a new server."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import tab

ONCE_IN_S = 3600.0
_mount = st.components.v2.component(
    "slimscope_way_back", js=(Path(__file__).parent / "way_back.js").read_text(encoding="utf-8")
)


def one_entry_a_page() -> None:
    """Have the browser complete a bare address in place; nothing is drawn.

    Streamlit shows a page under its bare address first and completes it at the end of the run. Back led to
    the bare one, where nothing happened, and pressed again in haste to a page that was not asked for.
    """
    _mount(key="slimscope.way_back", data={"completed": tab.QUERY_KEY}, height=0)


def ask_again_after_a_restart() -> None:
    """Have the browser ask for the page as soon as it reaches a server again; nothing is drawn.

    Streamlit does so only where something runs by itself. Else the first click went to a session that knew
    nothing of the page yet, and was lost.
    """
    st.fragment(_nothing, run_every=ONCE_IN_S)()


def _nothing() -> None:
    """What there is to do meanwhile."""
