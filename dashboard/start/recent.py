"""The work of this session: the open model, models set aside, uploads, snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import streamlit as st

from dashboard import state
from dashboard.show import refusals
from dashboard.start import opening
from dashboard.text import _, literal

IN_A_ROW = 3


def work() -> Mapping[str, state.Workspace | None]:
    """Every model of this session with its workspace, the open one first; None for one never opened."""
    now = state.current()
    found: dict[str, state.Workspace | None] = {} if now is None else {now.model: now}
    found.update(reversed(dict(opening.set_aside()).items()))
    for model in reversed(list(opening.uploads())):
        found.setdefault(model, None)
    return MappingProxyType(found)


def draw() -> None:
    """A card for each model of this session; nothing at the start of one."""
    found = work()
    if not found:
        return
    st.subheader(_("Recent work"))
    columns = st.columns(IN_A_ROW, gap="medium")
    for index, (model, workspace) in enumerate(found.items()):
        with columns[index % IN_A_ROW].container(border=True):
            _entry(model, workspace)


def _entry(model: str, workspace: state.Workspace | None) -> None:
    title = literal(opening.title_of(model))
    st.markdown(f"**{title}**")
    st.caption(_done(workspace))
    with st.container(horizontal=True, gap="small"):
        if st.button(
            _("Continue with {model}").format(model=title),
            key=f"slimscope.start.recent.{model}",
            icon=":material/arrow_forward:",
        ):
            _show(partial(opening.open_model, model))
        for name in workspace.snapshots if workspace else ():
            key = f"slimscope.start.snapshot.{model}.{name}"
            if st.button(literal(name), key=key, icon=":material/bookmark:", help=_("Open this snapshot")):
                _show(partial(opening.open_snapshot, model, name))


def _show(act: Callable[[], object]) -> None:
    with refusals(), st.spinner(_("Opening the model")):
        act()
        opening.go(opening.TUNE)


def _done(workspace: state.Workspace | None) -> str:
    if workspace is None or not workspace.recipe:
        return _("unchanged")
    return _("layers changed: {count} · recipe {sha}").format(
        count=len(workspace.recipe.layers), sha=workspace.recipe.sha[:8]
    )
