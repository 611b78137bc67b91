"""What a browser told of its widgets in this run, and what the session knows of widgets.

Streamlit offers no way to ask: where its names change, nothing is told and nothing known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime.scriptrunner import get_script_run_ctx


def told() -> Iterator[WidgetState]:
    """What the browser said of its widgets and nobody has read yet."""
    for state in getattr(_widget_states(), "states", {}).values():
        said = getattr(state, "value", None)
        if isinstance(said, WidgetState):
            yield said


def known() -> dict[str, Any]:
    """What this session knows of widgets, by their id."""
    found: dict[str, Any] = getattr(_widget_states(), "widget_metadata", {})
    return found


def _widget_states() -> Any:
    session = getattr(get_script_run_ctx(), "session_state", None)
    return getattr(getattr(session, "_state", None), "_new_widget_state", None)
