"""What pages say is carried out in order and once, however seldom the event loop is woken for it."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.runtime.app_session import AppSession

from dashboard.wakeups import wake_once_for_many

SAID = 1000
_said_by: ContextVar[str] = ContextVar("said_by", default="nobody")


class CountedLoop(asyncio.SelectorEventLoop):
    """A loop that counts how often another thread wakes it."""

    woken = 0

    def _write_to_self(self) -> None:
        self.woken += 1
        super()._write_to_self()  # type: ignore[misc]


def session_on(loop: asyncio.AbstractEventLoop) -> Any:
    return SimpleNamespace(_event_loop=loop)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A loop on which pages wake once for many; what Streamlit does otherwise is put back afterwards."""
    monkeypatch.setattr(AppSession, "_call_soon_on_event_loop", AppSession._call_soon_on_event_loop)
    counted = CountedLoop()
    wake_once_for_many(counted)
    yield counted
    counted.close()


def say_from_threads(session: Any, threads: int, heard: list[tuple[int, int, str]]) -> None:
    """Each of so many threads says a thousand things, one after the other."""

    def say(thread: int) -> None:
        def hear(number: int) -> None:
            heard.append((thread, number, _said_by.get()))

        _said_by.set(f"thread {thread}")
        for number in range(SAID):
            AppSession._call_soon_on_event_loop(session, partial(hear, number))

    workers = [threading.Thread(target=say, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def test_a_loop_that_is_busy_is_woken_once_for_all_that_was_said_meanwhile(loop: CountedLoop) -> None:
    heard: list[tuple[int, int, str]] = []

    async def busy() -> None:
        say_from_threads(session_on(loop), 1, heard)  # the loop does nothing else meanwhile
        await asyncio.sleep(0.01)

    loop.run_until_complete(busy())
    assert heard == [(0, number, "thread 0") for number in range(SAID)]
    assert loop.woken == 1


def test_what_many_pages_say_at_once_is_done_once_each_in_their_order(loop: CountedLoop) -> None:
    heard: list[tuple[int, int, str]] = []

    async def meanwhile() -> None:
        await asyncio.to_thread(say_from_threads, session_on(loop), 4, heard)
        await asyncio.sleep(0.05)

    loop.run_until_complete(meanwhile())
    for thread in range(4):
        own = [said for said in heard if said[0] == thread]
        assert own == [(thread, number, f"thread {thread}") for number in range(SAID)]


def test_what_goes_wrong_in_one_call_is_reported_and_does_not_stop_the_next(loop: CountedLoop) -> None:
    heard: list[str] = []
    reported: list[object] = []
    loop.set_exception_handler(lambda _loop, context: reported.append(context["exception"]))

    def fails() -> None:
        raise ValueError("one page's trouble")

    async def busy() -> None:
        for call in (fails, lambda: heard.append("another page")):
            AppSession._call_soon_on_event_loop(session_on(loop), call)
        await asyncio.sleep(0.01)

    loop.run_until_complete(busy())
    assert heard == ["another page"]
    assert [str(error) for error in reported] == ["one page's trouble"]


def test_sessions_of_another_loop_are_left_alone(loop: CountedLoop) -> None:
    other, heard = CountedLoop(), []

    async def busy() -> None:
        for number in range(3):
            AppSession._call_soon_on_event_loop(session_on(other), lambda: heard.append(1))
            assert other.woken == number + 1
        await asyncio.sleep(0.01)

    other.run_until_complete(busy())
    other.close()
    assert heard == [1, 1, 1]
    assert loop.woken == 0
