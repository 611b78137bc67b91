"""Short work that a page need not wait for: one thread of the server, one wish a session, in turn.

Slower than a rerun and too short for a job: the numbers of a whole split after a slider was let go.
"""

from __future__ import annotations

import atexit
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial

from compress_core.foundation.giving_way import giving_way
from dashboard.page_runs import PAGE_RUNS

_MOST_SESSIONS = 1000  # of which the newest wish is remembered
_LAST_SECONDS = (
    5.0  # a thread that is inside torch when the interpreter goes would take the process down with noise
)


@dataclass(frozen=True)
class _Wish:
    """Work that a session waits for; key names what it makes. It is over when done, failed or replaced."""

    session: str
    key: str
    work: Callable[[], object]
    over: Future[None] = field(default_factory=Future)


def _between_pages(work: Callable[[], object]) -> object:
    with giving_way(PAGE_RUNS.let_go_first):
        return work()


class Background:
    """Does what was wished for, the session that waits longest first; a newer wish replaces an older one."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, _Wish] = OrderedDict()
        self._running: _Wish | None = None
        self._newest: OrderedDict[str, tuple[str, Future[None]]] = OrderedDict()
        self._changed = threading.Condition()
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="slimscope-background", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def close(self) -> None:
        """Begin nothing more, and wait for what is being done."""
        with self._changed:
            self._ends = True
            self._changed.notify()
        self._thread.join(_LAST_SECONDS)

    def others_wait(self, session: str) -> bool:
        """Whether another session's work is being done or waits."""
        with self._changed:
            sessions = {*self._waiting, *([self._running.session] if self._running else [])}
        return bool(sessions - {session})

    def wish(self, session: str, key: str, work: Callable[[], object]) -> Future[None]:
        """Have work done for a session; asked again for the same key, what became of it.

        It is done for whom the asking thread works: what it leaves in the store goes with that owner. An
        error stays in what this returns: whoever asks for the result itself meets it again.
        """
        with self._changed:
            known, over = self._newest.get(session, (None, None))
            if over is not None and known == key:
                return over
            mine = _Wish(session, key, partial(copy_context().run, _between_pages, work))
            before, self._waiting[session] = self._waiting.get(session), mine
            if before is not None:
                before.over.cancel()
            self._remember(mine)
            self._changed.notify()
        return mine.over

    def is_over(self, session: str, key: str) -> bool:
        """Whether what a session wished for last is this, and has ended."""
        with self._changed:
            known, over = self._newest.get(session, (None, None))
            return known == key and over is not None and over.done()

    def _remember(self, wish: _Wish) -> None:
        self._newest[wish.session] = (wish.key, wish.over)
        self._newest.move_to_end(wish.session)
        while len(self._newest) > _MOST_SESSIONS:
            self._newest.popitem(last=False)

    def _run(self) -> None:
        while (wish := self._next()) is not None:
            self._do(wish)

    def _next(self) -> _Wish | None:
        with self._changed:
            self._running = None
            self._changed.wait_for(lambda: self._waiting or self._ends)
            if self._ends:
                return None
            self._running = self._waiting.popitem(last=False)[1]
            return self._running

    def _do(self, wish: _Wish) -> None:
        if not wish.over.set_running_or_notify_cancel():
            return
        try:
            wish.work()
        except Exception as error:  # noqa: BLE001 - a border: the page that asks for the result meets it again
            wish.over.set_exception(error)
        else:
            wish.over.set_result(None)
