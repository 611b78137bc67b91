"""How a browser comes back: to an earlier page, one entry of its history each, by F5, and to a new server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from dashboard import tab

ONCE_IN_S = 3600.0
HISTORY = "h"  # what an address calls that which was done to the model; it ends with a checksum
_LEFT, _LAST_CHARACTERS, _SECONDS = "slimscope_left_", 24, 600
_MOST_PLACES, _BETWEEN = 8, "|"
_mount = st.components.v2.component(
    "slimscope_way_back", js=(Path(__file__).parent / "way_back.js").read_text(encoding="utf-8")
)


def one_entry_a_page() -> None:
    """Have the browser complete a bare address in place; nothing is drawn.

    Streamlit shows a page under its bare address first and completes it at the end of the run. Back led to
    the bare one, where nothing happened, and pressed again in haste to a page that was not asked for.
    """
    contents = {
        "completed": tab.QUERY_KEY,
        "history": HISTORY,
        "left": _LEFT,
        "characters": _LAST_CHARACTERS,
        "seconds": _SECONDS,
        "most": _MOST_PLACES,
        "between": _BETWEEN,
    }
    _mount(key="slimscope.way_back", data=contents, height=0)


def was_reloaded(address: Mapping[str, str]) -> bool:
    """Whether the tab of an address was left at that very address a moment ago, and so is loaded anew.

    An edit stands in the address only after its run. Where a reload was faster, the address is that of the
    moment before, and the tab may have moved on while the reload waited for its answer; where Back leads to
    such an address, the tab was left at another one.
    """
    history, word = (address.get(key, "") for key in (HISTORY, tab.QUERY_KEY))
    said: object = st.context.cookies.get(_LEFT + word) if word else None
    return isinstance(said, str) and _place(history) in said.split(_BETWEEN)


def _place(history: str) -> str:
    return f"{len(history)}.{history[-_LAST_CHARACTERS:]}"


def ask_again_after_a_restart() -> None:
    """Have the browser ask for the page as soon as it reaches a server again; nothing is drawn.

    Streamlit does so only where something runs by itself. Else the first click went to a session that knew
    nothing of the page yet, and was lost.
    """
    st.fragment(_nothing, run_every=ONCE_IN_S)()


def _nothing() -> None:
    """What there is to do meanwhile."""
