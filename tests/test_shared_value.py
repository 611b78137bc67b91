"""What all sessions share is made once, whoever asks for it and how many at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from compress_core.foundation.errors import Refused
from dashboard import engine, shared_value
from dashboard.shared_value import SharedValue

THREADS = 8


def test_many_who_ask_at_once_are_given_the_same_value() -> None:
    made: list[str] = []
    gate = threading.Barrier(THREADS)

    @SharedValue
    def value(name: str) -> object:
        made.append(name)
        time.sleep(0.05)  # long enough for all of them to ask meanwhile
        return object()

    def ask(_number: int) -> object:
        gate.wait()
        return value("one")

    with ThreadPoolExecutor(THREADS) as threads:
        found = set(threads.map(ask, range(THREADS)))
    assert len(found) == 1
    assert made == ["one"]


def test_each_argument_has_a_value_of_its_own() -> None:
    value = SharedValue(lambda name: [name])
    assert value("one") == ["one"]
    assert value("other") == ["other"]
    assert value("one") is value("one")


def test_what_is_refused_is_asked_again() -> None:
    asked: list[int] = []

    @SharedValue
    def value() -> int:
        asked.append(1)
        if len(asked) == 1:
            raise Refused("Not yet.")
        return len(asked)

    with pytest.raises(Refused, match="Not yet"):
        value()
    assert value() == value() == 2


def test_a_server_has_one_store_until_a_test_clears_it() -> None:
    before = engine.store()
    assert engine.store() is before
    shared_value.clear_all()
    assert engine.store() is not before
