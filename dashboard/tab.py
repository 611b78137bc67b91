"""Which tab of a visitor this is: a word in its address, so that F5, Back and a new server find its own undo.

An address that is copied brings the word along. As long as the tab that had it is open, the copy takes a word
of its own, and so does a tab whose word was taken over meanwhile. Either goes on from what it had: nothing
that one tab keeps is written over by another.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections import OrderedDict

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.visitor import visitor

QUERY_KEY = "t"
_KEY, _OWN = "slimscope.tab", "slimscope.tab.session"
_WORD = re.compile(r"[0-9a-f]{8}")
_MOST_HOLDERS = 10_000
_HOLDERS: OrderedDict[tuple[str, str], tuple[str, str]] = OrderedDict()
_LOCK = threading.Lock()


def tab() -> str:
    """The word of this tab, which is nobody else's while this session lives."""
    me = st.session_state.setdefault(_OWN, secrets.token_hex(8))
    mine: str | None = st.session_state.get(_KEY)
    with _LOCK:
        word = mine or _in_address()
        holder = _HOLDERS.get((visitor(), word)) if word else None
        # My own word with another holder was taken over; one from an address may be of a tab that has gone.
        if not word or (holder and holder[0] != me and (mine or _is_open(holder[1]))):
            word = secrets.token_hex(4)
        _HOLDERS[visitor(), word] = (me, _session_id())
        _HOLDERS.move_to_end((visitor(), word))
        while len(_HOLDERS) > _MOST_HOLDERS:
            _HOLDERS.popitem(last=False)
    st.session_state[_KEY] = word
    return word


def _in_address() -> str | None:
    """The word in the address, if it is one of ours: anything may stand in an address."""
    said: object = st.query_params.get(QUERY_KEY)
    return said if isinstance(said, str) and _WORD.fullmatch(said) else None


def _session_id() -> str:
    context = get_script_run_ctx()
    return context.session_id if context is not None else ""


def _is_open(session_id: str) -> bool:
    """Whether a browser is connected to this session of the server."""
    return runtime.exists() and runtime.get_instance().is_active_session(session_id)
