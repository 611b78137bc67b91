"""A part of a job that hangs in one step ends its process, so that a cluster can have it done again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from compress_core.jobs.cluster import on_ray

HANGS = """
import ctypes, time
from compress_core.jobs.cluster import on_ray

on_ray.LONGEST_STEP_S = 0.2

def steps():
    yield 1
    {hang}

for _ in on_ray._watched(steps()):
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "hang",
    ["time.sleep(600)", "ctypes.PyDLL(None).sleep(600)"],
    ids=["in Python", "elsewhere, with the interpreter's lock"],
)
def test_a_step_that_never_ends_ends_its_process(hang: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS.format(hang=hang)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr, "and says where it was"


@pytest.mark.parametrize("fails", [False, True])
def test_each_step_has_the_whole_time_and_nothing_is_watched_afterwards(
    monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    asked = list[object]()
    watch = on_ray.faulthandler
    monkeypatch.setattr(watch, "dump_traceback_later", lambda *when, **then: asked.append((*when, then)))
    monkeypatch.setattr(watch, "cancel_dump_traceback_later", lambda: asked.append("over"))

    def steps() -> Iterator[int]:
        yield from (1, 2)
        if fails:
            raise ZeroDivisionError

    if fails:
        with pytest.raises(ZeroDivisionError):
            list(on_ray._watched(steps()))
    else:
        assert list(on_ray._watched(steps())) == [1, 2]
    assert asked == [(on_ray.LONGEST_STEP_S, {"exit": True})] * 3 + ["over"]
