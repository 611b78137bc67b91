"""How many scripts of visitors run right now, so that what nobody waits for can let them go first.

A thread of low priority would not do: when it is kept from running while it holds the interpreter's lock, all
wait for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 0.25
"""A piece of work waits no longer than this: where pages never rest, it still comes to its end."""


class PageRuns:
    """Counts scripts that run; most: from so many on, other work waits between its pieces."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._running = 0
        self._changed = threading.Condition()

    @contextmanager
    def running(self) -> Iterator[None]:
        """One script more, as long as this lasts."""
        self._count(+1)
        try:
            yield
        finally:
            self._count(-1)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A script that waits for other work is none that others make way for."""
        self._count(-1)
        try:
            yield
        finally:
            self._count(+1)

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


PAGE_RUNS = PageRuns(max(1, (os.cpu_count() or 1) - 1))
