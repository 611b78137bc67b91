"""What a visitor leaves behind is given back soon after: session, uploads, results, memory.

Streamlit keeps a session for some seconds in case its browser comes back, and afterwards until another
visitor happens to come or go. Here somebody looks.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any

from streamlit import runtime
from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.server.starlette import App

from dashboard import engine, leases
from dashboard.learn.classroom.class_register import register
from dashboard.wakeups import wake_once_for_many

EVERY_SECONDS = 10.0
ARENAS = 2
_MOST_ARENAS = -8  # M_ARENA_MAX of malloc.h
SWITCH_S = 0.001
"""How long a thread keeps the interpreter from others that want it. Streamlit takes one lock for each
message; with Python's 5 ms, a thread that lost the interpreter holding that lock kept thirty others
waiting."""


@asynccontextmanager
async def caretaking(_app: App) -> AsyncIterator[None]:
    """Look after a server as long as it runs."""
    name_pages()
    keep_memory_together()
    sys.setswitchinterval(SWITCH_S)
    wake_once_for_many(asyncio.get_running_loop())
    work = asyncio.create_task(_look_after())
    try:
        yield
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


def name_pages() -> None:
    """Tell Streamlit before the first visitor comes that app.py names the pages.

    It learns so from the first run that reaches st.navigation. Of two tabs that came back to a new server at
    once, one ran its page alone meanwhile, found no model, and ended on Start.
    """
    PagesManager.uses_pages_directory = False


async def _look_after() -> None:
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        await asyncio.to_thread(forget_unused)
        register().forget_idle()
        await asyncio.to_thread(give_back_memory if end_left_sessions() else give_back_pages)


def end_left_sessions() -> int:
    """End sessions whose browser has been gone for long enough; how many these were."""
    manager: Any = runtime.get_instance()._session_mgr  # noqa: SLF001 - Streamlit offers no other way
    ended = manager._session_storage._cache.expire()  # noqa: SLF001
    for _, left in ended:
        left.session.shutdown()
        left.session.session_state.clear()  # Streamlit holds on to the last session of all
    return len(ended)


def forget_unused() -> None:
    """Let go of results that nobody asked for in minutes: most of what a crowd tries it tries once."""
    engine.store().forget_unused(engine.UNUSED_S, down_to=engine.RESTING_BYTES)


def give_back_memory() -> None:
    """Collect what hangs together in circles, and return free pages to the system."""
    gc.collect()
    leases.forget_what_nobody_holds()
    gc.collect()
    give_back_pages()


def give_back_pages() -> None:
    """Return free pages to the system: between what is kept, glibc holds on to three times as much.

    It takes some 40 ms; a lower threshold for mapped memory did the same for half of all processor time.
    """
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def keep_memory_together() -> None:
    """Have all threads take memory from two places.

    glibc has up to eight for each processor, and every script is a thread: what is kept lay scattered over
    all of them, and of ever more pages a little was in use.
    """
    choose = _of_glibc("mallopt")
    if choose is not None:
        choose(_MOST_ARENAS, ARENAS)


@cache
def _of_glibc(name: str) -> ctypes._NamedFuncPointer | None:
    """A function with which glibc is told how to keep memory; there is none elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), name, None)
