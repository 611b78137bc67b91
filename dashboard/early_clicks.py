"""A click on a page that another server drew is done once this server has drawn the page.

Streamlit hears a button by what its session knows of it, which is nothing before a run has drawn the button.
A browser whose server began anew shows the old page all the while: what was clicked before the first run had
come so far was lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import streamlit as st
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx

_KEY = "slimscope.early_clicks"
_CLICKS = ("trigger_value", "json_trigger_value")


def note() -> None:
    """At the beginning of a run: keep the clicks on what this session has not drawn yet."""
    known = _widgets()
    found = [one for one in _told() if one.WhichOneof("value") in _CLICKS and one.id not in known]
    found = [one for one in found if getattr(one, str(one.WhichOneof("value")))]
    if found:
        kept: list[WidgetState] = st.session_state.setdefault(_KEY, [])
        kept.extend(found)


def do() -> None:
    """At the end of a run: have the next one, which knows whom it meant, hear what was clicked too early.

    Whatever touches the session once the next run is asked for begins that run at once, so a click that was
    let go of there would be asked for at the end of every run: the list is emptied in its place.
    """
    clicks: list[WidgetState] = st.session_state.get(_KEY, [])
    if not clicks:
        return
    known, context = _widgets(), get_script_run_ctx()
    heard = [one for one in clicks if one.id in known and (known[one.id].callback or known[one.id].callbacks)]
    if heard and context is not None and context.script_requests is not None:
        asked = RerunData(
            query_string=context.query_string,
            widget_states=WidgetStates(widgets=heard),
            page_script_hash=context.page_script_hash,
            cached_message_hashes=context.cached_message_hashes,
            context_info=context.context_info,
        )
        if not context.script_requests.request_rerun(asked):
            return  # this run was overtaken: the one that did so asks at its end
    clicks.clear()


def _told() -> Iterator[WidgetState]:
    """What the browser said of its widgets and nobody has read yet."""
    for state in getattr(_widget_states(), "states", {}).values():
        said = getattr(state, "value", None)
        if isinstance(said, WidgetState):
            yield said


def _widgets() -> dict[str, Any]:
    """What this session knows of widgets, by their id."""
    known: dict[str, Any] = getattr(_widget_states(), "widget_metadata", {})
    return known


def _widget_states() -> Any:
    """Streamlit offers no other way: where its names change, nothing is known and nothing done."""
    session = getattr(get_script_run_ctx(), "session_state", None)
    return getattr(getattr(session, "_state", None), "_new_widget_state", None)
