"""What the browser does by itself on every page: undo and redo by key, and a menu that closes on a phone."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

UNDO, REDO = "slimscope.undo", "slimscope.redo"  # the keys of the buttons that are pressed
_mount = st.components.v2.component(
    "slimscope_page_manners", js=(Path(__file__).parent / "page_manners.js").read_text(encoding="utf-8")
)


def mind_manners() -> None:
    """Have the browser do so; nothing is drawn."""
    _mount(key="slimscope.page_manners", data={"undo": _class_of(UNDO), "redo": _class_of(REDO)}, height=0)


def _class_of(key: str) -> str:
    """The class by which Streamlit marks what has a key."""
    return "st-key-" + key.replace(".", "-")
