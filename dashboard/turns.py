"""Turns of threads: few at once, the others in the order in which they came, short work before long.

Python runs one thread at a time. Twenty that run at once are done no sooner, and at every lock that they
share all wait for one that waits for the interpreter: a page takes several times as long as alone then.
"""

from __future__ import annotations

import threading
import time
from collections import deque


class Turns:
    """At most so many turns at once; a turn is over when it is given up, or has lasted so many seconds.

    Who has a turn beyond that goes on; it only keeps nobody waiting any more.
    """

    def __init__(self, most: int, longest_s: float) -> None:
        self._most, self._longest_s = most, longest_s
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._later: deque[tuple[threading.Event, float]] = deque()  # and since when it waits
        self._ends: dict[threading.Event, float] = {}
        self._of_thread = threading.local()

    def take(self, *, later: bool = False) -> None:
        """Wait for a turn of this thread; later: behind all others, but no longer than a turn lasts."""
        mine = self._of_thread.turn = threading.Event()
        with self._lock:
            if later:
                self._later.append((mine, time.monotonic()))
            else:
                self._waiting.append(mine)
            self._let_in()
        while not mine.wait(self._until_one_ends()):
            with self._lock:
                self._let_in()

    def give_up(self) -> bool:
        """The turn of this thread is over; whether it had one."""
        mine: threading.Event | None = getattr(self._of_thread, "turn", None)
        self._of_thread.turn = None
        if mine is not None:
            with self._lock:
                self._ends.pop(mine, None)
                self._let_in()
        return mine is not None

    def _let_in(self) -> None:
        now = time.monotonic()
        self._ends = {turn: end for turn, end in self._ends.items() if end > now}
        while len(self._ends) < self._most and (first := self._next(now)) is not None:
            self._ends[first] = now + self._longest_s
            first.set()

    def _next(self, now: float) -> threading.Event | None:
        if self._later and (not self._waiting or now - self._later[0][1] >= self._longest_s):
            return self._later.popleft()[0]
        return self._waiting.popleft() if self._waiting else None

    def _until_one_ends(self) -> float:
        with self._lock:
            return max(0.0, min(self._ends.values(), default=0.0) - time.monotonic())
