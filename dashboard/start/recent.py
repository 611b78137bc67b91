"""Recent work: the open model, models set aside, uploads, snapshots, and what earlier sessions left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import streamlit as st

from dashboard import engine, saved_work, state, trial_log
from dashboard.lineage_name import lineage_name
from dashboard.opened import handed_over
from dashboard.saved_work import SavedWork
from dashboard.show import refusals
from dashboard.start import opening
from dashboard.text import _, literal, refusal
from dashboard.view import View

IN_A_ROW = 3


def work() -> Mapping[str, View | None]:
    """Every model of this session with its view, the open one first; None for one never opened."""
    now = state.current()
    found: dict[str, View | None] = {} if now is None else {now.model: now}
    found.update(reversed(dict(opening.set_aside()).items()))
    for model in (*reversed(list(opening.uploads())), *reversed(list(handed_over()))):
        found.setdefault(model, None)
    return MappingProxyType(found)


def draw() -> None:
    """A card for each model of this session; nothing at the start of one."""
    warning = engine.workspace().warning
    if warning is not None:
        st.warning(literal(refusal(warning)), icon=":material/warning:")
    found = work()
    saved: tuple[SavedWork, ...] = ()
    with refusals():
        saved = saved_work.others(found)
    if not found and not saved:
        return
    st.subheader(_("Recent work"))
    columns = st.columns(IN_A_ROW, gap="medium")
    for index, (model, view) in enumerate(found.items()):
        with columns[index % IN_A_ROW].container(border=True):
            _entry(model, view)
    for index, before in enumerate(saved, len(found)):
        with columns[index % IN_A_ROW].container(border=True):
            _saved_entry(before)


def _saved_entry(saved: SavedWork) -> None:
    """Work of an earlier session, opened where it was left."""
    title = literal(_(saved.title))
    st.markdown(f"**{title}**")
    st.caption(_changes(saved.layers, saved.name))
    with st.container(horizontal=True, gap="small"):
        if st.button(
            _("Continue with {model}").format(model=title),
            key=f"slimscope.start.saved.{saved.model}",
            icon=":material/arrow_forward:",
        ):
            _show(partial(opening.open_model, saved.model))
        if st.button(
            _("Let go"),
            key=f"slimscope.start.forget.{saved.model}",
            icon=":material/delete:",
            help=_("Let go of this model of yours, to which nothing was done: upload it again to return.")
            if saved.is_upload and not saved.name
            else _("Forget what was done to this model; the model itself stays."),
        ):
            saved_work.forget(saved)
            st.rerun()


def _entry(model: str, view: View | None) -> None:
    title = literal(opening.title_of(model))
    st.markdown(f"**{title}**")
    st.caption(_done(view))
    with st.container(horizontal=True, gap="small"):
        if st.button(
            _("Continue with {model}").format(model=title),
            key=f"slimscope.start.recent.{model}",
            icon=":material/arrow_forward:",
        ):
            _show(partial(opening.open_model, model))
        for name in _names(view):
            key = f"slimscope.start.snapshot.{model}.{name}"
            if st.button(literal(name), key=key, icon=":material/bookmark:", help=_("Open this snapshot")):
                _show(partial(opening.open_snapshot, model, name))


def _names(view: View | None) -> list[str]:
    """What the visitor named of what was tried on an open model."""
    return [] if view is None else [line.name for line in trial_log.named(state.subject(view))]


def _show(act: Callable[[], object]) -> None:
    with refusals(), st.spinner(_("Opening the model")):
        act()
        opening.go(opening.TUNE)


def _done(view: View | None) -> str:
    if view is None or not view.lineage:
        return _changes(0, "")
    return _changes(len(view.recipe.layers), lineage_name(view.lineage))


def _changes(layers: int, name: str) -> str:
    if not name:
        return _("unchanged")
    return _("layers changed: {count} · recipe {sha}").format(count=layers, sha=name)
