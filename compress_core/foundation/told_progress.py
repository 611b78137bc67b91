"""Work that tells how far it is from deep within, as a generator of what it told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from queue import SimpleQueue
from typing import TypeVar

from compress_core.foundation.progress import Progress

Result = TypeVar("Result")
TellProgress = Callable[[Progress], None]


class NobodyListensError(BaseException):
    """Ends work of which nobody wants the result any more; no code that catches Exception holds it up."""


def told_to_nobody(_progress: Progress) -> None:
    """For whoever waits for the result alone."""


def as_told(work: Callable[[TellProgress], Result]) -> Generator[Progress, None, Result]:
    """What work tells, and at the end what it returns or raises; it runs in a thread of its own.

    Where the generator is closed, the work ends the next time it tells something.
    """
    told: SimpleQueue[Progress | None] = SimpleQueue()
    is_over = threading.Event()

    def tell(progress: Progress) -> None:
        if is_over.is_set():
            raise NobodyListensError
        told.put(progress)

    def run() -> Result:
        try:
            return work(tell)
        finally:
            told.put(None)

    with ThreadPoolExecutor(1) as thread:
        result = thread.submit(copy_context().run, run)
        try:
            while (progress := told.get()) is not None:
                yield progress
        finally:
            is_over.set()
    return result.result()
