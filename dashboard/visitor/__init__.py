"""Who a visitor is: a random word that the browser keeps in a cookie, so that work is found again."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import streamlit as st

COOKIE = "slimscope_visitor"
DAYS = 400  # as long as browsers keep a cookie at most
_KEY = "slimscope.visitor"
_WORD = re.compile(r"[0-9a-f]{32}")
_introduce = st.components.v2.component(
    "slimscope_visitor", js=(Path(__file__).parent / "visitor.js").read_text(encoding="utf-8")
)


def visitor() -> str:
    """The word of this visitor; a new one for a browser that has none yet."""
    return _from_cookie() or str(st.session_state.setdefault(_KEY, secrets.token_hex(16)))


def remember_visitor() -> None:
    """Have a new browser keep its word; nothing is drawn."""
    if _from_cookie() is None:
        _introduce(key=f"{_KEY}.component", data={"name": COOKIE, "word": visitor(), "days": DAYS}, height=0)


def _from_cookie() -> str | None:
    """What the browser sent, if it is a word of ours: anything may stand in a cookie."""
    said: object = st.context.cookies.get(COOKIE)
    return said if isinstance(said, str) and _WORD.fullmatch(said) else None
