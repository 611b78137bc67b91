"""Which sessions work on which visitor's model, so that its results go when the last of them has gone.

Results of samples are everybody's and stay while there is room; those of an upload hold on to it.
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter, deque

import streamlit as st

from dashboard import engine

_LEASES = "slimscope.leases"
_HELD: Counter[str] = Counter()
_ENDED: deque[str] = deque()
_LOCK = threading.Lock()


class _Lease:
    """As long as this is there, a session works on the model."""

    def __init__(self, model: str) -> None:
        with _LOCK:
            _HELD[model] += 1
        # Whoever collects garbage may be holding any lock: only a note is taken here.
        weakref.finalize(self, _ENDED.append, model)


def hold(model: str) -> None:
    """Have this session work on a visitor's model; what is computed meanwhile is kept for it."""
    held: dict[str, _Lease] = st.session_state.setdefault(_LEASES, {})
    if model not in held:
        held[model] = _Lease(model)
    engine.store().owner(model)


def let_go(model: str) -> None:
    """Have this session work on a model no more."""
    st.session_state.get(_LEASES, {}).pop(model, None)


def forget_what_nobody_holds() -> None:
    """Drop the results of models that no session works on any more."""
    gone: list[str] = []
    with _LOCK:
        while _ENDED:
            model = _ENDED.popleft()
            _HELD[model] -= 1
            if _HELD[model] <= 0:
                del _HELD[model]
                gone.append(model)
    for model in gone:
        engine.store().forget(model)
