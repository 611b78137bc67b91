"""Results kept by what they were made of: a memory bounded in bytes, and a workspace that outlives it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass
from typing import Any, TypeVar

from compress_core.foundation.errors import Refused
from compress_core.foundation.release import lasting_key
from compress_core.foundation.stored_value import NoFormError, from_bytes, to_bytes
from compress_core.foundation.workspace.model_tree import EVERYBODY
from compress_core.foundation.workspace.workspace import Workspace

T = TypeVar("T")
_OWNER: ContextVar[str] = ContextVar("slimscope_owner", default="")


def digest(*parts: object) -> str:
    """One key for the values it was made of, in hexadecimal."""
    joined = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()


class Store:
    """Values by key; equal requests are computed once, the least used go first when memory is full.

    Thread-safe. What it hands out is shared: nobody writes to it. What `lasting` made also goes to the
    workspace, where there is one on the disk. computed and found count by kind what it made, and what it
    found there. maker: whose the models are that are evaluated; None where visitors say it themselves.
    not_kept: why nothing outlives the process, where a workspace was meant and cannot be used.
    """

    def __init__(
        self,
        max_bytes: int = 2**30,
        workspace: Workspace | None = None,
        clock: Callable[[], float] = time.perf_counter,
        maker: str | None = EVERYBODY,
    ) -> None:
        self.maker = maker
        self.workspace = workspace if workspace is not None and workspace.folder is not None else None
        self.not_kept = None if workspace is None or workspace.folder is not None else workspace.warning
        self.computed: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self._clock = clock
        self._lock = threading.Lock()
        self._values = _Values(max_bytes, clock)
        self._under_way: dict[str, Future[Any]] = {}

    @property
    def max_bytes(self) -> int:
        """How many bytes are kept in memory at most."""
        return self._values.max_bytes

    @property
    def bytes_held(self) -> int:
        return self._values.held

    def without_workspace(self) -> Store:
        """The same memory, from which nothing goes to the disk: for what is not worth a file."""
        passing = copy(self)
        passing.workspace = None
        return passing

    def get(self, key: str, make: Callable[[], T], size: Callable[[T], int] = lambda _: 1024) -> T:
        """The value of a key, made on first use; size says how many bytes it holds on to."""
        while True:
            with self._lock:
                if key in self._values:
                    return self._values.used(key)  # type: ignore[no-any-return]
                under_way = self._under_way.get(key)
                if under_way is None:
                    mine: Future[T] = Future()
                    self._under_way[key] = mine
                    break
            with suppress(CancelledError):
                return under_way.result()  # type: ignore[no-any-return]
        return self._make(key, mine, make, size)

    def _make(self, key: str, mine: Future[T], make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Compute a value for all who wait for it; when that fails, the next of them tries."""
        try:
            value = make()
            self._keep(key, value, size(value))
            mine.set_result(value)
        finally:
            with self._lock:
                del self._under_way[key]
            mine.cancel()  # does nothing to one that is done
        return value

    def make_together(
        self,
        kind: str,
        keys: Collection[str],
        make: Callable[[Collection[str]], Mapping[str, T]],
        size: Callable[[T], int],
        *,
        least_seconds: float = 0.0,
    ) -> None:
        """Have several values made in one go: those of these keys that nobody has made or is making.

        Each is kept as one that `get` made by way of `lasting`, and is worth the time that all took. What
        make leaves out is not kept: who asks for it makes it. Waits for nobody.
        """
        with self._lock:
            mine: dict[str, Future[T]] = {key: Future() for key in keys if self._is_nobodys(key)}
            self._under_way |= mine
        try:
            began = self._clock()
            made = make(tuple(mine)) if mine else {}
            is_worth_it = self._clock() - began >= least_seconds
            for key, value in made.items():
                self._count_and_keep(kind, key, value, is_worth_it=is_worth_it)
                self._keep(key, value, size(value))
                mine[key].set_result(value)
        finally:
            with self._lock:
                for key in mine:
                    del self._under_way[key]
            for future in mine.values():
                future.cancel()  # does nothing to one that is done

    def is_nobodys(self, key: str) -> bool:
        """Whether the value of a key is not in memory, and nobody is making it."""
        with self._lock:
            return self._is_nobodys(key)

    def _is_nobodys(self, key: str) -> bool:
        return key not in self._values and key not in self._under_way

    def owner(self, name: str) -> None:
        """What this thread makes from now on is kept for somebody, who may be forgotten; empty for all."""
        _OWNER.set(name)

    def forget(self, owner: str) -> None:
        """Let go of all that was made for somebody."""
        with self._lock:
            self._values.drop(owner)

    def forget_unused(self, seconds: float, down_to: int) -> None:
        """Let go of what nobody asked for in that time, the oldest first, until down_to bytes are held."""
        with self._lock:
            self._values.drop_unused(seconds, down_to)

    def make_room(self, needed: int) -> None:
        """Let go of the oldest values until so many bytes less are held: somebody needs them for a while."""
        with self._lock:
            self._values.drop_unused(0.0, max(0, self._values.held - needed))

    def has(self, key: str) -> bool:
        """Whether the value of a key is in memory."""
        with self._lock:
            return key in self._values

    def lasting(self, kind: str, key: str, make: Callable[[], T], *, least_seconds: float = 0.0) -> T:
        """The value of a key from the workspace, or made and kept there; it does not stay in memory.

        kind is the word under which it is counted. What took less than least_seconds to make is not worth
        a file. The value is one that `stored_value` takes.
        """
        found = self._find(key)
        if found is not None:
            with self._lock:
                self.found[kind] += 1
            return from_bytes(found)  # type: ignore[no-any-return]
        began = self._clock()
        value = make()
        self._count_and_keep(kind, key, value, is_worth_it=self._clock() - began >= least_seconds)
        return value

    def _count_and_keep(self, kind: str, key: str, value: object, *, is_worth_it: bool) -> None:
        with self._lock:
            self.computed[kind] += 1
        if is_worth_it:
            self._keep_lasting(kind, key, value)

    def lasts(self, key: str) -> bool:
        """Whether the value of a key is in the workspace."""
        with suppress(Refused):
            return self.workspace is not None and self.workspace.results.has(lasting_key(key))
        return False

    def _find(self, key: str) -> bytes | None:
        """A workspace that cannot be read is no reason to stop: the value is made."""
        with suppress(Refused):
            return None if self.workspace is None else self.workspace.results.find(lasting_key(key))
        return None

    def _keep_lasting(self, kind: str, key: str, value: object) -> None:
        """A full disk, or a value that has no form there, is no reason to stop: it is made again."""
        if self.workspace is not None:
            with suppress(Refused, NoFormError):
                self.workspace.results.keep(lasting_key(key), kind, to_bytes(value))

    def _keep(self, key: str, value: object, size: int) -> None:
        with self._lock:
            assert key not in self._values, "one thread at a time makes a key"
            self._values.add(key, value, size)


class _Values:
    """Values with their sizes under a cap in bytes, the one used last at the end."""

    def __init__(self, max_bytes: int, clock: Callable[[], float]) -> None:
        self.max_bytes, self._clock = max_bytes, clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self.held = 0

    def __contains__(self, key: str) -> bool:
        return key in self._kept

    def used(self, key: str) -> Any:
        kept = self._kept[key]
        kept.used = self._clock()
        self._kept.move_to_end(key)
        return kept.value

    def add(self, key: str, value: object, size: int) -> None:
        if size > self.max_bytes:
            return
        self._kept[key] = _Kept(value, size, _OWNER.get(), self._clock())
        self.held += size
        while self.held > self.max_bytes:
            self._drop_oldest()

    def drop(self, owner: str) -> None:
        gone = [key for key, kept in self._kept.items() if kept.owner == owner]
        self.held -= sum(self._kept.pop(key).size for key in gone)

    def drop_unused(self, seconds: float, down_to: int) -> None:
        oldest = self._clock() - seconds
        while self.held > down_to and next(iter(self._kept.values())).used < oldest:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self.held -= self._kept.popitem(last=False)[1].size


@dataclass
class _Kept:
    """A value with its bytes, for whom it was made, and when it was last asked for."""

    value: Any
    size: int
    owner: str
    used: float
