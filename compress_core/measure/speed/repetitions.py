"""The same rounds in several processes: how far another start would have come out is part of an interval.

Within one process times repeat to a few per cent, since weights and activations lie where they lie. In the
next one they lie elsewhere. So each process gives one estimate, and the interval is that of their mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from safetensors.numpy import load, save
from scipy.special import stdtrit

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.speed.rounds import Rounds, Times

_ONE_START = N_("Measured in one process only: another start may differ by more than its rounds do.")


@dataclass(frozen=True, eq=False)
class Repetitions:
    """The rounds of each process, all with the same sides."""

    of: tuple[Rounds, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The sides that took turns."""
        return self.of[0].names

    def milliseconds(self, name: str) -> Number:
        """Processor time of one run: the mean over the processes of their medians, in logarithms."""
        return _mean_of([rounds.milliseconds(name) for rounds in self.of], "ms")

    def ratio(self, over: str, name: str) -> Number:
        """How many times as long the first takes as the second; the interval holds for another start."""
        if over == name:
            return Number(1.0, "ratio", "exact")
        return _mean_of([rounds.ratio(over, name) for rounds in self.of], "ratio")


def _mean_of(found: list[Number], unit: str) -> Number:
    """Geometric mean of one number from each process, with the interval of Student's t."""
    logs = np.array([math.log(number.value) for number in found if number.value])
    mean, n = float(logs.mean()), logs.size
    if n < 2:
        return Number(math.exp(mean), unit, "measured", n=n, no_interval=_ONE_START)
    half = float(stdtrit(n - 1, 0.975) * logs.std(ddof=1) / math.sqrt(n))
    return Number(math.exp(mean), unit, "measured", math.exp(mean - half), math.exp(mean + half), n)


def rounds_as_bytes(measured: dict[int, Rounds]) -> bytes:
    """What a process hands back: times at each batch size, [rounds, sides]."""
    arrays: dict[str, Times] = {}
    for batch, rounds in measured.items():
        arrays |= {f"{batch}.wall": rounds.wall, f"{batch}.cpu": rounds.cpu}
    return save({name: np.ascontiguousarray(times) for name, times in arrays.items()})


def rounds_from_bytes(content: bytes, names: dict[int, tuple[str, ...]]) -> dict[int, Rounds]:
    """The reverse of `rounds_as_bytes`; names: the sides at each batch size."""
    arrays = load(content)
    return {
        batch: Rounds(sides, arrays[f"{batch}.wall"], arrays[f"{batch}.cpu"])
        for batch, sides in names.items()
    }
