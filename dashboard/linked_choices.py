"""What a visitor chose beside model and recipe, and a link carries: the explained item, how pages are shown.

Each stands under a key of the session, and under a short name in the link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import streamlit as st

ITEM = "slimscope.explain.item"
METHOD = "slimscope.explain.method"
PRESENT, PRESENT_NAME = "slimscope.present", "present"
MOST_DIGITS = 10
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


def linked_choices() -> dict[str, str]:
    """The choices of this session as a link holds them; what was left as it is stands there empty."""
    chosen = st.session_state
    return {
        "item": str(chosen.get(ITEM) or ""),
        "method": str(chosen.get(METHOD, "")),
        PRESENT_NAME: "1" if is_presenting() else "",
    }


def take_over_choices(link: Mapping[str, str]) -> None:
    """Make the choices of a link this session's; what it leaves out or says wrongly is as at first."""
    item, method = link.get("item", ""), link.get("method", "")
    for key in (ITEM, METHOD, PRESENT):
        st.session_state.pop(key, None)
    if item.isdecimal() and item.isascii() and len(item) < MOST_DIGITS:
        st.session_state[ITEM] = int(item)
    if _NAME.fullmatch(method):  # the page offers what there is of that name
        st.session_state[METHOD] = method
    if link.get(PRESENT_NAME) == "1":
        st.session_state[PRESENT] = True


def is_presenting() -> bool:
    """Whether the page is shown to a room: large type, and little around what is worked with."""
    return bool(st.session_state.get(PRESENT))
