"""A click on a page that another server drew is done once this server has drawn the page.

Streamlit hears a button by what its session knows of it, which is nothing before a run has drawn the button.
A browser whose server began anew shows the old page all the while: what was clicked before the first run had
come so far was lost.
"""

from __future__ import annotations

import streamlit as st
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx

from dashboard.told_widgets import known, told

_KEY = "slimscope.early_clicks"
_CLICKS = ("trigger_value", "json_trigger_value")


def note() -> None:
    """At the beginning of a run: keep the clicks on what this session has not drawn yet."""
    drawn = known()
    found = [one for one in told() if one.WhichOneof("value") in _CLICKS and one.id not in drawn]
    found = [one for one in found if getattr(one, str(one.WhichOneof("value")))]
    if found:
        kept: list[WidgetState] = st.session_state.setdefault(_KEY, [])
        kept.extend(found)


def do() -> None:
    """At the end of a run: have the next one, which knows whom it meant, hear what was clicked too early.

    Whatever touches the session once the next run is asked for begins that run at once, so a click that was
    let go of there would be asked for at the end of every run: the list is emptied in its place. Done at
    most once: what overtakes that next run at its very beginning ends it, and Undo twice is worse than none.
    """
    clicks: list[WidgetState] = st.session_state.get(_KEY, [])
    if not clicks:
        return
    drawn, context = known(), get_script_run_ctx()
    heard = [one for one in clicks if one.id in drawn and (drawn[one.id].callback or drawn[one.id].callbacks)]
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
