"""Two ways to the same result, timed in turns: A B A B, one thread, process CPU time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from compress_core.measure.speed.rounds import Spread

ROUNDS_LEAST, ROUNDS_MOST = 5, 25
SECONDS = 8.0  # for one case, after its least number of rounds
_LONG_ENOUGH = 0.005  # shorter runs are repeated within a round
_REPEATS = 8


@dataclass(frozen=True)
class Side:
    """One way: `run` is timed, `prepare` makes its argument from the number of the turn and is not."""

    name: str
    run: Callable[[Any], Any]
    prepare: Callable[[int], Any] = int


@dataclass(frozen=True)
class Case:
    """An interaction, the peer's way and ours, and how many times faster ours should be.

    agree tells from both results whether they are the same, as far as the interaction promises it.
    """

    interaction: str
    peer: Side
    ours: Side
    agree: Callable[[Any, Any], bool]
    goal: float | None = None


@dataclass(frozen=True)
class Limit:
    """An interaction without a peer; `run` gives one measurement, which should be at most `limit` units."""

    interaction: str
    unit: str
    run: Callable[[], float]
    limit: float | None = None
    rounds: int = 5


@dataclass(frozen=True)
class Timed:
    """CPU milliseconds of both sides and the peer's over ours, each round its own ratio."""

    case: Case
    peer_ms: Spread
    ours_ms: Spread
    ratio: Spread


@dataclass(frozen=True)
class Held:
    """What a limit was measured at."""

    case: Limit
    measured: Spread


def milliseconds(run: Callable[[], object]) -> float:
    """CPU milliseconds of one run."""
    started = time.process_time()
    run()
    return 1000 * (time.process_time() - started)


def assert_agree(case: Case) -> None:
    """Both sides once, on the same turn; their results must be the same."""
    results = [side.run(side.prepare(0)) for side in (case.peer, case.ours)]
    assert case.agree(*results), f"{case.interaction}: the two sides do not agree"


def timed(case: Case) -> Timed:
    """Run both sides in turns until the time is used up; raises AssertionError where they disagree."""
    assert_agree(case)
    turns = itertools.count(1)
    repeats = [_repeats(side, turns) for side in (case.peer, case.ours)]
    rounds: list[tuple[float, float]] = []
    started = time.monotonic()
    while len(rounds) < ROUNDS_LEAST or (len(rounds) < ROUNDS_MOST and time.monotonic() - started < SECONDS):
        sides = zip((case.peer, case.ours), repeats, strict=True)
        peer, ours = (_mean(side, turns, count) for side, count in sides)
        rounds.append((peer, ours))
    return Timed(
        case,
        Spread.of([peer for peer, _ in rounds]),
        Spread.of([ours for _, ours in rounds]),
        Spread.of([peer / ours for peer, ours in rounds]),
    )


def measured(case: Case | Limit) -> Timed | Held:
    """A comparison or a limit, measured."""
    return timed(case) if isinstance(case, Case) else _held(case)


def _held(case: Limit) -> Held:
    return Held(case, Spread.of([case.run() for _ in range(case.rounds)]))


def _repeats(side: Side, turns: itertools.count[int]) -> int:
    return _REPEATS if _mean(side, turns, 1) < 1000 * _LONG_ENOUGH else 1


def _mean(side: Side, turns: itertools.count[int], count: int) -> float:
    arguments = [side.prepare(next(turns)) for _ in range(count)]
    return milliseconds(lambda: [side.run(argument) for argument in arguments]) / count
