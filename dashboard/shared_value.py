"""What all sessions share, made on first use: afterwards a look at it costs a look into a dictionary.

Streamlit's `cache_resource` hashes its arguments and walks its own records at each call: a page asks for the
store and the samples a hundred times a run, at some 20 microseconds each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_all: list[SharedValue[..., Any]] = []


class SharedValue(Generic[P, T]):
    """A function that makes one value for each of its arguments, for all sessions and threads.

    Who asks while it is being made waits for it; what is raised is kept by nobody.
    """

    def __init__(self, make: Callable[P, T]) -> None:
        self.__doc__ = make.__doc__
        self._make = make
        self._made: dict[tuple[object, ...], T] = {}
        self._lock = threading.RLock()
        _all.append(self)

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> T:
        key = (*arguments, *named.items())
        try:
            return self._made[key]
        except KeyError:
            pass
        with self._lock:
            if key not in self._made:
                self._made[key] = self._make(*arguments, **named)
            return self._made[key]

    def clear(self) -> None:
        """Have everything made anew; for tests."""
        with self._lock:
            self._made.clear()


def clear_all() -> None:
    """Have everything that sessions share made anew; for tests."""
    for value in _all:
        value.clear()
