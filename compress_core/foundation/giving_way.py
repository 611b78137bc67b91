"""Long work beside the pages of a server gives way to what somebody waits for: it asks between its pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_GATE: ContextVar[Callable[[], None] | None] = ContextVar("slimscope_gate", default=None)


def give_way() -> None:
    """Between two pieces of work: wait as long as whoever had it done says; at once where nobody does."""
    gate = _GATE.get()
    if gate is not None:
        gate()


@contextmanager
def giving_way(gate: Callable[[], None]) -> Iterator[None]:
    """Have what this thread does ask at a gate between its pieces."""
    before = _GATE.set(gate)
    try:
        yield
    finally:
        _GATE.reset(before)
