"""A few threads have their turn at once, the others come in order, and nobody waits for one that is slow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dashboard.page_runs import PageRuns
from dashboard.turns import Turns

NEVER, PATIENCE = 600.0, 60.0


@contextmanager
def in_thread(does: Callable[[], None]) -> Iterator[threading.Thread]:
    """Something that is done beside the test, and that has come to its end with the block."""
    thread = threading.Thread(target=does)
    thread.start()
    yield thread
    thread.join(PATIENCE)
    assert not thread.is_alive()


def until_waiting(turns: Turns, count: int) -> None:
    """Wait until so many threads wait for their turn."""
    end = time.monotonic() + PATIENCE
    while len(turns._waiting) + len(turns._later) != count:
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_than_so_many_have_their_turn_and_all_get_one(most: int) -> None:
    turns, lock = Turns(most, NEVER), threading.Lock()
    now, highest, done = 0, 0, 0

    def work() -> None:
        nonlocal now, highest, done
        for _ in range(10):
            turns.take()
            with lock:
                now += 1
                highest = max(highest, now)
            time.sleep(0.001)
            with lock:
                now, done = now - 1, done + 1
            turns.give_up()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert (highest <= most, done) == (True, 80)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_so_many_have_their_turn_at_the_same_time(most: int) -> None:
    turns, all_have_theirs = Turns(most, NEVER), threading.Barrier(most)
    met = list[int]()

    def meet() -> None:
        turns.take()
        met.append(all_have_theirs.wait(PATIENCE))
        turns.give_up()

    threads = [threading.Thread(target=meet) for _ in range(most)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
    assert len(met) == most


def order_of(turns: Turns, *later: bool) -> list[int]:
    """In which order threads come that asked one after the other, while somebody had the only turn."""
    came, threads = list[int](), list[threading.Thread]()

    def wait_as(number: int) -> None:
        turns.take(later=later[number])
        came.append(number)
        turns.give_up()

    turns.take()
    for number in range(len(later)):
        threads.append(threading.Thread(target=wait_as, args=(number,)))
        threads[-1].start()
        until_waiting(turns, number + 1)
    turns.give_up()
    for thread in threads:
        thread.join(PATIENCE)
    return came


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    assert order_of(Turns(1, NEVER), *[False] * 5) == [0, 1, 2, 3, 4]


def test_what_may_come_later_comes_behind_all_others() -> None:
    assert order_of(Turns(1, NEVER), True, False, True, False) == [1, 3, 0, 2]


def test_what_may_come_later_waits_no_longer_than_a_turn_lasts() -> None:
    turns, first, second, late = Turns(1, 10.0), threading.Event(), threading.Event(), threading.Event()
    turns._waiting.extend((first, second))
    turns._later.append((late, 0.0))
    assert [turns._next(now) for now in (9.9, 10.0, 10.0, 10.0)] == [first, late, second, None]


def test_a_turn_that_lasts_too_long_keeps_nobody_waiting_any_more() -> None:
    turns, came = Turns(1, 0.05), threading.Event()

    def wait() -> None:
        turns.take()
        came.set()
        turns.give_up()

    turns.take()
    with in_thread(wait):
        assert came.wait(PATIENCE), "the first one still has its turn"
    turns.give_up()


def test_who_gives_up_a_turn_twice_gives_up_nobody_elses() -> None:
    turns, came, over = Turns(1, NEVER), threading.Event(), threading.Event()

    def hold() -> None:
        turns.take()
        came.set()
        over.wait(PATIENCE)
        turns.give_up()

    turns.take()
    with in_thread(hold):
        turns.give_up()
        assert came.wait(PATIENCE)
        turns.give_up()
        late = threading.Thread(target=turns.take)
        late.start()
        until_waiting(turns, 1)
        over.set()
        late.join(PATIENCE)
        assert not late.is_alive()


def test_a_page_that_waits_for_other_work_lets_another_one_run_and_then_waits_for_its_turn() -> None:
    runs, other, over = PageRuns(most=1, at_once=1), threading.Event(), threading.Event()
    said = list[str]()

    def second() -> None:
        with runs.running():
            other.set()
            over.wait(PATIENCE)
            said.append("the other page is done")

    with runs.running(), in_thread(second):
        assert not other.wait(0.05), "one page at a time"
        with runs.waiting():
            assert other.wait(PATIENCE)
            over.set()
        said.append("it has its turn again")
    assert said == ["the other page is done", "it has its turn again"]


def test_who_draws_no_page_waits_for_other_work_without_a_turn() -> None:
    runs = PageRuns(most=1, at_once=1)

    def wait() -> None:
        with runs.waiting():
            assert runs.is_quiet

    with in_thread(wait):
        pass
    assert not runs._turns._ends
    with runs.running():
        assert not runs.is_quiet


def test_a_page_that_stands_back_lets_another_one_run_and_then_has_its_turn_again() -> None:
    runs, said = PageRuns(most=1, at_once=1), list[str]()

    def draw() -> None:
        with runs.running():
            said.append("the other page is drawn")

    with runs.running(), in_thread(draw):
        until_waiting(runs._turns, 1)
        runs.stand_back()
        said.append("it goes on")
    assert said == ["the other page is drawn", "it goes on"]
    runs.stand_back()
    assert not runs._turns._ends, "who draws no page takes no turn"


def test_a_page_that_fails_gives_its_turn_up() -> None:
    runs = PageRuns(most=1, at_once=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), runs.running():
            raise ZeroDivisionError
    assert runs.is_quiet
    with runs.running():
        pass
