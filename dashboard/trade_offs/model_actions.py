"""What can be done with one model: go there, tag it, write a note."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.forgetting import forget_model
from dashboard import engine, state
from dashboard.done_words import done_in_words
from dashboard.refused_here import notice_beside
from dashboard.text import _, literal, refusal
from dashboard.visitor import visitor

MOST_TAG, MOST_NOTE = 30, 400
_PLACE = "trade_offs.actions"


def draw(model: pd.Series, here: str) -> None:
    """Its facts and its buttons. model: its row; here: the key of the model that is open."""
    key = str(model["key"])
    st.markdown(f"**{literal(str(model['label']))}**")
    st.caption(literal(done_in_words(str(model["what"]))))
    if model["tags"]:
        with st.container(horizontal=True, gap="small"):
            for tag in model["tags"]:
                st.badge(literal(tag), icon=":material/label:")
    if model["note"]:
        st.info(literal(str(model["note"])), icon=":material/sticky_note_2:")
    st.button(
        _("Go to this model"),
        key=f"{_PLACE}.go.{key[:12]}",
        icon=":material/login:",
        disabled=key == here,
        help=_("It becomes the model that all pages show; Undo leads back."),
        on_click=go_to,
        args=(key,),
        width="stretch",
    )
    notice_beside(key)
    tag, note = st.columns(2, gap="small")
    with tag.popover(_("Tag"), icon=":material/label:", width="stretch"):
        _tagging(key, model["tags"])
    with note.popover(_("Note"), icon=":material/sticky_note_2:", width="stretch"):
        _noting(key, str(model["note"]))
    if model["is_own"] and model["operation"] != "original":
        with st.popover(_("Delete"), icon=":material/delete:", width="stretch"):
            _deleting(key)


def _deleting(key: str) -> None:
    st.markdown(
        _("This deletes the model, what you made of it, its numbers, tags and notes. What others made stays.")
    )
    st.button(
        _("Delete it"), key=f"{_PLACE}.delete.{key[:12]}", type="primary", on_click=_delete, args=(key,)
    )


def _delete(key: str) -> None:
    """Let a model of one's own go; a sentence says why that cannot be."""
    try:
        forget_model(engine.workspace(), key, visitor())
    except Refused as refused:
        state.notice(refusal(refused), beside=key)


def _tagging(key: str, tags: tuple[str, ...]) -> None:
    typed = f"{_PLACE}.tag.{key[:12]}"
    keep = partial(engine.workspace().remarks.tag, visitor(), key)
    st.text_input(_("New tag"), key=typed, max_chars=MOST_TAG, on_change=_said, args=(typed, keep, key))
    for tag in tags:
        st.button(
            _("Take {tag} away").format(tag=literal(tag)),
            key=f"{_PLACE}.untag.{key[:12]}.{tag}",
            on_click=engine.workspace().remarks.untag,
            args=(visitor(), key, tag),
        )


def _noting(key: str, before: str) -> None:
    typed = f"{_PLACE}.note.{key[:12]}"
    st.text_area(
        _("Note"),
        key=typed,
        max_chars=MOST_NOTE,
        placeholder=before or _("What is it good for?"),
        on_change=_said,
        args=(typed, partial(engine.workspace().remarks.note, visitor(), key), key),
    )


def _said(typed: str, keep: Callable[[str], object], key: str) -> None:
    """Keep what was typed, and empty the box."""
    text = " ".join(str(st.session_state[typed]).split())
    st.session_state[typed] = ""
    if text:
        try:
            keep(text)
        except Refused as refused:
            state.notice(refusal(refused), beside=key)


def go_to(key: str) -> None:
    """Make a model the one that is open; a sentence says why that cannot be."""
    try:
        state.keep(state.returned(state.required(), key))
    except Refused as refused:
        state.notice(refusal(refused), beside=key)
