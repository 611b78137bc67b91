"""The scripts of visitors: a few run at once, in turn, and what nobody waits for lets them go first.

A thread of low priority would not do: when it is kept from running while it holds the interpreter's lock, all
wait for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dashboard.turns import Turns

LONGEST_TURN_S = 0.5
"""Twice what a page takes on a busy server: who opens a large network keeps nobody waiting for longer."""
PATIENCE_S = 0.25
"""A piece of work waits no longer than this: where pages never rest, it still comes to its end."""


class PageRuns:
    """Counts scripts that run or wait for their turn.

    most: from so many on, other work waits between its pieces; at_once: so many run, the others wait.
    """

    def __init__(self, most: int, at_once: int = 2) -> None:
        self._most = most
        self._turns = Turns(at_once, LONGEST_TURN_S)
        self._running = 0
        self._changed = threading.Condition()

    @contextmanager
    def running(self) -> Iterator[None]:
        """One script more, as long as this lasts; it begins when it is this one's turn."""
        self._count(+1)
        try:
            self._turns.take()
            yield
        finally:
            self._turns.give_up()
            self._count(-1)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A script that waits for other work is none that others make way for; then it waits for its turn.

        Nothing where this thread draws no page, as in a fragment that runs by itself.
        """
        if not self._turns.give_up():
            yield
            return
        self._count(-1)
        try:
            yield
        finally:
            self._count(+1)
            self._turns.take()

    def stand_back(self) -> None:
        """Before what takes longer than a page: let those that wait to be drawn go first."""
        if self._turns.give_up():
            self._turns.take(later=True)

    @property
    def is_quiet(self) -> bool:
        """Whether so few scripts run that other work need not wait."""
        with self._changed:
            return self._running < self._most

    def let_go_first(self) -> None:
        """Wait until fewer scripts run, or for the patience of one piece of work."""
        with self._changed:
            self._changed.wait_for(lambda: self._running < self._most, PATIENCE_S)

    def _count(self, by: int) -> None:
        with self._changed:
            self._running += by
            self._changed.notify_all()


_PROCESSORS = os.cpu_count() or 1
PAGE_RUNS = PageRuns(max(1, _PROCESSORS - 1), at_once=min(max(2, _PROCESSORS), 4))
