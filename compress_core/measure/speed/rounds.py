"""Several ways to do the same, timed in turns (A B A B) on one thread.

What counts is the processor time of this process: on one thread it is what the wall clock shows on a machine
that does nothing else, and other people's work adds little to it. How far the wall clock ran ahead is kept,
since a busy machine also has busy caches.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from compress_core.foundation.number import Number
from compress_core.foundation.texts import Phrase

Times = NDArray[np.float64]

_MOST_REPEATS = 1000
_TICK = 1e-9  # seconds: what no clock can tell from nothing
_WAITED = 1.1  # wall time over processor time from which the rounds were disturbed


@dataclass(frozen=True)
class Spread:
    """The middle of several measurements, with a 95 % interval for the median (order statistics)."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, measured: Sequence[float]) -> Spread:
        """Of five measurements the whole range is the interval, at 94 %."""
        ascending = sorted(measured)
        out = max(0, math.floor(len(ascending) / 2 - 0.98 * math.sqrt(len(ascending))))
        return cls(statistics.median(ascending), ascending[out], ascending[-1 - out])


@dataclass(frozen=True)
class Watch:
    """What time it is and how busy the machine: seconds of the wall clock and of this process, load, cores.

    It is passed in, so that whoever measures can say with which clock.
    """

    wall: Callable[[], float]
    cpu: Callable[[], float]
    load: Callable[[], float]
    cores: int


def this_machine() -> Watch:
    """The clocks of the machine that runs this."""
    return Watch(time.perf_counter, time.process_time, lambda: os.getloadavg()[0], os.cpu_count() or 1)


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds, seconds for all of them, and seconds for one turn at least."""

    rounds_least: int = 7
    rounds_most: int = 25
    seconds: float = 4.0
    turn: float = 0.004


@dataclass(frozen=True, eq=False)
class Rounds:
    """What the rounds took: wall and processor seconds for one run, [rounds, sides] each."""

    names: tuple[str, ...]
    wall: Times
    cpu: Times

    def milliseconds(self, name: str) -> Number:
        """Processor time of one run: the median over the rounds with its interval."""
        return _number([1000 * float(t) for t in self._column(name)], "ms")

    def ratio(self, over: str, name: str) -> Number:
        """How many times as long the first takes as the second: the median of the rounds' own ratios."""
        return _number([float(r) for r in self._column(over) / self._column(name)], "ratio")

    @property
    def waited(self) -> float:
        """Wall time over processor time of all rounds: 1 on a machine that does nothing else."""
        return float(self.wall.sum() / max(self.cpu.sum(), 1e-12))

    def _column(self, name: str) -> Times:
        column: Times = np.maximum(self.cpu[:, self.names.index(name)], _TICK)
        return column


def _number(measured: list[float], unit: str) -> Number:
    spread = Spread.of(measured)
    return Number(spread.middle, unit, "measured", spread.low, spread.high, len(measured))


def in_turns(
    sides: Mapping[str, Callable[[], object]],
    watch: Watch,
    effort: Effort,
    shuffled: random.Random | None = None,
) -> Generator[int, None, Rounds]:
    """Run all sides one after the other, round after round; yields the number of rounds done.

    Each side runs so often in its turn that the clock can tell, and once before that uncounted: whose turn
    it was before has filled the caches. With `shuffled` each round has an order of its own.
    """
    names = tuple(sides)
    repeats = {name: _repeats(run, watch, effort) for name, run in sides.items()}
    measured: list[list[tuple[float, float]]] = []
    started = watch.wall()
    while _goes_on(len(measured), watch.wall() - started, effort):
        order = shuffled.sample(names, len(names)) if shuffled else names
        taken = {name: _turn(sides[name], repeats[name], watch) for name in order}
        measured.append([taken[name] for name in names])
        yield len(measured)
    times = np.asarray(measured, dtype=np.float64)
    return Rounds(names, times[:, :, 0], times[:, :, 1])


def _goes_on(rounds: int, seconds: float, effort: Effort) -> bool:
    return rounds < effort.rounds_least or (rounds < effort.rounds_most and seconds < effort.seconds)


def _repeats(run: Callable[[], object], watch: Watch, effort: Effort) -> int:
    _, cpu = _turn(run, 1, watch)
    return min(_MOST_REPEATS, max(1, math.ceil(effort.turn / max(cpu, 1e-9))))


def _turn(run: Callable[[], object], repeats: int, watch: Watch) -> tuple[float, float]:
    """Wall and processor seconds of one run."""
    run()
    wall, cpu = watch.wall(), watch.cpu()
    for _ in itertools.repeat(None, repeats):
        run()
    return (watch.wall() - wall) / repeats, (watch.cpu() - cpu) / repeats


def finished(rounds: Generator[int, None, Rounds]) -> Rounds:
    """All rounds of `in_turns`, run to the end."""
    while True:
        try:
            next(rounds)
        except StopIteration as end:
            measured: Rounds = end.value
            return measured


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes on one thread inside and on as many as before afterwards.

    The number of threads belongs to the calling thread: use it where the work is done.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load_warning(load: float, cores: int) -> tuple[Phrase, ...]:
    """That others were busy before the measurement began: half the cores, and ourselves, are no matter."""
    if load <= cores / 2 + 0.5:
        return ()
    return (
        Phrase(
            "The machine was busy before the measurement began (load {load:.1f} on {cores} cores): "
            "milliseconds may be too high, ratios are less certain.",
            load=load,
            cores=cores,
        ),
    )


def waiting_warning(rounds: Sequence[Rounds]) -> tuple[Phrase, ...]:
    """That the rounds waited for a processor that was busy elsewhere."""
    waited = max((one.waited for one in rounds), default=1.0)
    if waited < _WAITED:
        return ()
    return (
        Phrase(
            "The rounds took {waited:.1f} times their processor time, because something else held it: "
            "measure again on a quiet machine.",
            waited=waited,
        ),
    )
