"""What the browser does by itself on every page: keys undo, a menu closes, a change of theme is followed."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard.text import _

UNDO, REDO = "slimscope.undo", "slimscope.redo"  # the keys of the buttons that are pressed
JAVASCRIPT = "\n".join(
    (Path(__file__).parent / name).read_text(encoding="utf-8")
    for name in ("page_manners.js", "streamlit_words.js")
)
_mount = st.components.v2.component("slimscope_page_manners", js=JAVASCRIPT)


def mind_manners() -> None:
    """Have the browser do so; nothing is drawn."""
    buttons = {"undo": _class_of(UNDO), "redo": _class_of(REDO)}
    drawn = {"theme": st.context.theme.type, "words": _streamlit_words()}
    data = {**buttons, **drawn}
    _mount(key="slimscope.page_manners", data=data, height=0, on_theme_change=_draw_anew)


def _draw_anew() -> None:
    """Nothing is to be done but the run that comes of the browser's asking."""


def _streamlit_words() -> dict[str, str]:
    """What Streamlit says by itself, in the visitor's language."""
    return {
        "Skip to main content": _("Skip to main content"),
        "Upload": _("Upload"),
        "per file": _("per file"),
    }


def _class_of(key: str) -> str:
    """The class by which Streamlit marks what has a key."""
    return "st-key-" + key.replace(".", "-")
