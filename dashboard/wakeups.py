"""One wake-up of the server's event loop for all that a page has said meanwhile.

Streamlit wakes its event loop for each message of a page, a hundred a run. Each time the page's thread hands
the interpreter over and has to wait until it gets it back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from streamlit.runtime.app_session import AppSession

_SCHEDULES = (
    "_call_soon_on_event_loop"  # Streamlit offers no other way: where its names change, nothing is done
)

Callback = Callable[[], None]


class WaitingCalls:
    """Calls that other threads want a loop to do: in order, each once, in the context of who asked."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: list[tuple[Callback, Context]] = []

    def add(self, callback: Callback) -> bool:
        """Have this done; whether it is the first that waits, for whom the loop has to be woken."""
        with self._lock:
            self._waiting.append((callback, copy_context()))
            return len(self._waiting) == 1

    def begin(self) -> None:
        """Have the loop do all that waits; who asks from now on wakes it anew."""
        with self._lock:
            begun, self._waiting = self._waiting, []
        for callback, context in begun:
            self._loop.call_soon(callback, context=context)


def wake_once_for_many(loop: asyncio.AbstractEventLoop) -> None:
    """From now on what pages say on this loop's sessions wakes it once for all that waits."""
    schedule: Callable[[Any, Callback], None] | None = getattr(AppSession, _SCHEDULES, None)
    if schedule is None:
        return
    calls = WaitingCalls(loop)

    def together(session: Any, callback: Callback) -> None:
        if getattr(session, "_event_loop", None) is not loop:
            schedule(session, callback)
        elif calls.add(callback):
            schedule(session, calls.begin)

    setattr(AppSession, _SCHEDULES, together)
