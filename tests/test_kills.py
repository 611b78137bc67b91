"""Processes that are killed at work lose nothing that they said, and the next goes on to the same end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from benchmarks.killed_work import works
from benchmarks.kills import tally
from tests.forked_call import processes_are_forks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and processes that fork are POSIX"),
]
WORKS = works(small=True)


@pytest.fixture(autouse=True)
def _no_page_is_the_main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that a test ran stays the main module here, and a forked process would begin by running it."""
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))


@pytest.fixture(autouse=True)
def _processes_are_forks() -> Iterator[None]:
    with processes_are_forks():
        yield


@pytest.mark.parametrize("name", WORKS)
def test_what_was_said_before_a_kill_is_there_and_going_on_ends_as_if_there_had_been_none(name: str) -> None:
    found = tally(name, WORKS[name], kills=2)
    assert (found.lost, found.damaged, found.went_astray, found.left_over) == (0, 0, 0, 0)
    assert found.kills >= 1, "the one in the midst of a write cannot come too late"
