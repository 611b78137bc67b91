"""The benchmark of a crowd measures what it says: an action that the page did not hear ends it."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks import crowd
from benchmarks.page_visitor import PageVisitor
from tests.served import served_to_a_crowd

pytestmark = pytest.mark.slow


def test_every_action_of_a_crowd_is_heard_by_the_page() -> None:
    with served_to_a_crowd([]) as (address, process):
        seen = asyncio.run(crowd.crowd(address, process, 2, seconds=2, every=0.5, models=["tabular"]))
        assert {kind for kind, _ in seen.waits} == set(crowd.LIMITS_S)
        asyncio.run(_unheard(address))


def test_memory_is_the_median_of_the_fifth_minute_and_of_the_last_one() -> None:
    looks = [
        (second, 900.0 if second in {300, 600} else 100 + second / 60, 0.0) for second in range(0, 601, 5)
    ]
    said = crowd.Watched(waits=[(crowd.RERUN, 0.1), (crowd.CHANGED, 0.2)], server=looks).table()
    assert "104 MiB after 5 minutes, 110 after 10: x 1.05" in said


async def _unheard(address: str) -> None:
    visitor = await PageVisitor.open(address, "m=tabular", "tune")
    with pytest.raises(AssertionError, match="was not heard"):
        await visitor.at_table(crowd.TABLE, "no such layer", "prune", "50")
    await visitor.close()
