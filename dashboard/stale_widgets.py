"""Widgets that a page draws no more are let go of, with all that their callbacks hold.

Streamlit drops their values, but keeps what it knows of them until the session ends: here that would be the
table behind every slider of every recipe that was tried.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from streamlit.runtime.scriptrunner import get_script_run_ctx


def forget() -> None:
    """Forget every widget that this run, which drew the whole page, did not draw."""
    context: Any = get_script_run_ctx()
    with suppress(AttributeError):  # Streamlit offers no other way: where its names change, it keeps them
        drawn = context.shared.widget_ids_this_run.snapshot()
        known = context.session_state._state._new_widget_state.widget_metadata  # noqa: SLF001
        for gone in known.keys() - drawn:
            del known[gone]
