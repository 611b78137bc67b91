"""Thirty sessions on one class's link: how long each waits, and whether everybody counts once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np

from benchmarks import classroom_visits as visits
from benchmarks.classroom_visits import held_class
from benchmarks.crowd import served
from benchmarks.networks import FULL, Size

PUPILS, EVERY_S, GOAL_S = 30, 5.0, 1.0
ON_LEARN = (visits.OPENS, visits.BEFORE, visits.COMMITS, visits.STEPS, visits.ANSWERS)
ON_TUNE = (visits.LOOKS, visits.EDITS)


def lines(size: Size) -> Iterator[str]:
    """The rows of docs/benchmarks.md; raises AssertionError where somebody was not counted once."""
    pupils, every = (PUPILS, EVERY_S) if size == FULL else (3, 0.2)
    with served([]) as (address, server):
        seen = asyncio.run(held_class(address, server, pupils, every))
    yield (
        f"| one of {pupils} pupils, every {every:g} s | N | median s | p95 s | longest s "
        "| server's CPU ms each |"
    )
    yield "| --- | --- | --- | --- | --- | --- |"
    for kind in ON_LEARN:
        yield _row(kind, seen.of(kind), seen.cpu[kind])
    yield _row("**does any of these**", seen.of(*ON_LEARN), sum(seen.cpu[kind] for kind in ON_LEARN))
    yield _row(visits.SEES, seen.of(visits.SEES), seen.cpu[visits.SEES])
    for kind in ON_TUNE:
        yield _row(kind, seen.of(kind), None)
    yield _row("**does any of these two**", seen.of(*ON_TUNE), seen.cpu[visits.EDITS])
    p95 = np.quantile(seen.of(*ON_LEARN, *ON_TUNE), 0.95)
    yield f"\np95 of a reaction to what one does: {p95:.2f} s (goal: at most {GOAL_S:.0f} s)."
    assert not seen.faults, "\n".join(seen.faults)
    yield "Everybody counted once, nobody lost, each model its owner's."


def _row(kind: str, waits: list[float], cpu: float | None) -> str:
    shown = (np.median(waits), np.quantile(waits, 0.95), max(waits))
    each = " | |" if cpu is None else f" | {1000 * cpu / len(waits):.0f} |"
    return f"| {kind} | {len(waits):,} | " + " | ".join(f"{value:.2f}" for value in shown) + each
