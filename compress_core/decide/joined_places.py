"""How what single places do goes together: a rule with one power, which real evaluations correct."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from compress_core.decide.family import Family
from compress_core.decide.knob_positions import Position
from compress_core.foundation.errors import Refused
from compress_core.numerics.arrays import Floats

POWERS = (1.0, 0.9, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5)
_ROUNDED_FACTORS = 4.0  # both factors are rounded: twice the amplitude
_NOTHING = 1e-12
_DOUBTED = (2.0, 8.0)
"""How many real evaluations it takes to believe an offset, and a slope, half as far as they say."""
_BELIEVED = 0.8  # of the error without a correction, at most, is what one may leave


@dataclass(frozen=True, eq=False)
class Amplitude:
    """How far the answers move for each severity of one knob: the square root of what is joined.

    severity, amplitude [points + 1] rise from (0, 0), where nothing is done. highest: the rank of the whole
    layer, of which only a rank knob asks.
    """

    family: Family
    severity: Floats
    amplitude: Floats
    highest: float

    def at(self, value: float) -> float:
        """Beyond the hardest point that was measured it goes on as between the last two."""
        wanted = severity_of(self.family, value, self.highest)
        x, y = self.severity, self.amplitude
        if wanted <= x[-1]:
            return float(np.interp(wanted, x, y))
        slope = (y[-1] - y[-2]) / max(x[-1] - x[-2], np.finfo(np.float64).tiny)
        return float(y[-1] + slope * (wanted - x[-1]))


def severity_of(family: Family, value: float, highest: float) -> float:
    """A scale on which the amplitude is near a straight line: 0 where nothing is done.

    The share removed as it is; of bits the size of a step, 2^-bits; of a rank the share that is missing.
    """
    match family:
        case Family.PRUNE | Family.STRUCTURE:
            return value
        case Family.BITS:
            return float(2.0**-value)
        case Family.RANK:
            return max(0.0, 1 - value / highest)


@dataclass(frozen=True, eq=False)
class Joined:
    """Divergences or damages of places, and what they come to together.

    power: 1 adds them, as if places moved the answers in unrelated directions, 0.5 adds amplitudes, as if
    in the same. scale: what real evaluations said of the sum, log measured = scale[0] + scale[1] * log sum.
    """

    amplitudes: Mapping[tuple[str, Family], Amplitude]
    power: float
    scale: tuple[float, float] = (0.0, 1.0)

    def of(self, positions: Iterable[Position]) -> float:
        """0 for no position. Raises Refused for a knob that was not measured."""
        joined = self._together(positions, self.power)
        offset, slope = self.scale
        return float(np.exp(offset) * joined**slope) if joined > 0 else 0.0

    def corrected(self, measured: Sequence[tuple[Sequence[Position], float]]) -> Joined:
        """With what explains best what was measured, where that holds for more than what it was fitted to.

        measured: positions, and what they came to, above 0. Each of them is judged by a correction that has
        seen the others alone; one that errs there nearly as much as none is not believed.
        """
        values = np.array([value for _, value in measured])
        sums = {power: self._log_sums([at for at, _ in measured], power) for power in POWERS}
        left = 0.0
        for judged in range(len(values)):
            seen = np.arange(len(values)) != judged
            power, (offset, slope) = _best({p: own[seen] for p, own in sums.items()}, np.log(values[seen]))
            left += abs(float(np.exp(offset + slope * sums[power][judged])) - values[judged])
        without = sum(abs(self.of(positions) - value) for positions, value in measured)
        if left >= _BELIEVED * without:
            return self
        power, scale = _best(sums, np.log(values))
        return replace(self, power=power, scale=scale)

    def _log_sums(self, recipes: Iterable[Sequence[Position]], power: float) -> Floats:
        return np.log([max(self._together(positions, power), _NOTHING) for positions in recipes])

    def _together(self, positions: Iterable[Position], power: float) -> float:
        parts = [part**power for part in self._alone(tuple(positions)) if part > 0]
        return float(sum(parts) ** (1 / power))

    def _alone(self, positions: Sequence[Position]) -> Iterable[float]:
        """What each position does alone."""
        factored = {each.place for each in positions if each.family is Family.RANK}
        for each in positions:
            curve = self.amplitudes.get((each.place, each.family))
            if curve is None:
                raise Refused(
                    "The scan has measured nothing of {place} ({family}): scan it first.",
                    place=each.place,
                    family=each.family.label,
                )
            rounded = each.family is Family.BITS and each.place in factored
            yield curve.at(each.value) ** 2 * (_ROUNDED_FACTORS if rounded else 1.0)


def _best(sums: Mapping[float, Floats], measured: Floats) -> tuple[float, tuple[float, float]]:
    """The power and its line that leave least of the logarithms that were measured."""
    lines = {power: _line(summed, measured) for power, summed in sums.items()}
    power = min(lines, key=lambda each: lines[each][1])
    return power, lines[power][0]


def _line(summed: Floats, measured: Floats) -> tuple[tuple[float, float], float]:
    """Offset and slope of log measured over log summed, and what is left of the error and of the doubt.

    Hoerl and Kennard 1970, Ridge regression, about a line of offset 0 and slope 1.
    """
    terms = np.stack([np.ones_like(summed), summed], axis=1)
    doubt = np.diag(_DOUBTED)
    shift = np.linalg.solve(terms.T @ terms + doubt, terms.T @ (measured - summed))
    offset, slope = float(shift[0]), max(1 + float(shift[1]), 0.1)  # more of everything is never better
    left = np.square(measured - offset - slope * summed).sum()
    return (offset, slope), float(left + shift @ doubt @ shift)
