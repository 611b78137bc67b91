"""What a recipe will do to the answers, estimated at once from what each place did alone.

An estimate is no measurement: what layers do to one another is in it only as a rule. Each real evaluation
is a check (`estimate_pairs`), and from some on they correct it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from compress_core.decide.family import Family
from compress_core.decide.knob_positions import Position, curves_by_knob
from compress_core.decide.sensitivity import Curve, Sensitivity
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.numerics.arrays import Floats
from compress_core.numerics.monotone import never_falling

USUAL_POWER = 0.75
POWERS = (1.0, 0.9, 0.75, 0.6, 0.5)
LEAST_PAIRS = 8
"""Fewer real evaluations correct no estimate."""
_ROUNDED_FACTORS = 4.0  # both factors are rounded: twice the amplitude
_NO_INTERVAL = N_("Estimated from what each layer does alone: no interval says how layers act together.")
_NO_LABELS = N_("The items have no labels, so the scan measured no accuracy.")


@dataclass(frozen=True)
class Estimate:
    """kl in nats and accuracy_change in points, both estimated; missing where the scan has no labels."""

    kl: Number
    accuracy_change: Number


@dataclass(frozen=True)
class Pair:
    """What was estimated of a model before it was run, and what was measured then.

    kl, change: measured, nats and points; change is None without labels.
    """

    positions: tuple[Position, ...]
    kl: float
    change: float | None


@dataclass(frozen=True, eq=False)
class Amplitude:
    """How far the answers move for each severity of one knob: the square root of the divergence.

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
class Estimator:
    """Estimates for every position of every knob that a scan has measured.

    ladder: (divergence, accuracy change) pairs [2, points], the second never rising; None without labels.
    power: how amplitudes of several places go together: 1 adds divergences, as if places moved the answers
    in unrelated directions, 0.5 adds amplitudes, as if in the same. scale: what real evaluations said of the
    sum, log kl = scale[0] + scale[1] * log sum. items: how many were measured.
    """

    amplitudes: Mapping[tuple[str, Family], Amplitude]
    ladder: Floats | None
    items: int
    power: float = USUAL_POWER
    scale: tuple[float, float] = (0.0, 1.0)

    def divergence(self, positions: Iterable[Position]) -> float:
        """Nats; 0 for no position. Raises Refused for a knob that was not measured."""
        return self._scaled(self._joined(positions, self.power))

    def change(self, divergence: float) -> float | None:
        """Points of accuracy at a divergence; None without labels."""
        if self.ladder is None:
            return None
        return float(np.interp(np.sqrt(divergence), np.sqrt(self.ladder[0]), self.ladder[1]))

    def estimate(self, positions: Iterable[Position]) -> Estimate:
        """Both numbers, which say what they are. Raises Refused for a knob that was not measured."""
        divergence = self.divergence(positions)
        change = self.change(divergence)
        return Estimate(
            Number(divergence, "nat", "estimated", n=self.items, no_interval=_NO_INTERVAL),
            Number.missing("points", _NO_LABELS)
            if change is None
            else Number(change, "points", "estimated", n=self.items, no_interval=_NO_INTERVAL),
        )

    def corrected(self, pairs: Sequence[Pair]) -> Estimator:
        """The same, corrected by real evaluations: how places go together, how far, and what that costs.

        Fewer than `LEAST_PAIRS` change nothing.
        """
        usable = [pair for pair in pairs if pair.kl > 0 and pair.positions]
        if len(usable) < LEAST_PAIRS:
            return self
        measured = np.log([pair.kl for pair in usable])
        fits = [(power, *self._line(usable, measured, power)) for power in POWERS]
        power, scale, _ = min(fits, key=lambda fit: fit[2])
        seen = [(pair.kl, pair.change) for pair in usable if pair.change is not None]
        ladder = self.ladder if self.ladder is None else _ladder([*self.ladder.T, *seen])
        return replace(self, power=power, scale=scale, ladder=ladder)

    def _line(
        self, pairs: Sequence[Pair], measured: Floats, power: float
    ) -> tuple[tuple[float, float], float]:
        """Offset and slope of log measured over log summed, and the squared error that is left."""
        summed = np.log([max(self._joined(pair.positions, power), 1e-12) for pair in pairs])
        spread = float(np.var(summed))
        slope = float(np.cov(summed, measured, bias=True)[0, 1] / spread) if spread > 0 else 1.0
        slope = max(slope, 0.1)  # more of everything is never better
        offset = float(measured.mean() - slope * summed.mean())
        return (offset, slope), float(np.square(measured - offset - slope * summed).mean())

    def _joined(self, positions: Iterable[Position], power: float) -> float:
        parts = [part**power for part in self._alone(tuple(positions)) if part > 0]
        return float(sum(parts) ** (1 / power))

    def _alone(self, positions: Sequence[Position]) -> Iterable[float]:
        """The divergence of each position alone."""
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

    def _scaled(self, joined: float) -> float:
        offset, slope = self.scale
        return float(np.exp(offset) * joined**slope) if joined > 0 else 0.0


def estimator_of(sensitivity: Sensitivity, highest: Mapping[str, int] | None = None) -> Estimator:
    """From the curves of a scan; highest: the whole rank of layers, else one above the mildest measured.

    Points with noise, such as less divergence at more bits removed, are evened out (`never_falling`).
    Raises Refused where nothing was measured.
    """
    curves = curves_by_knob(sensitivity)
    if not curves:
        raise Refused("The scan has measured nothing yet, so nothing can be estimated from it: let it go on.")
    made = {knob: _amplitude(curve, (highest or {}).get(curve.place)) for knob, curve in curves.items()}
    seen = [
        (point.kl.value, point.accuracy_change.value)
        for curve in curves.values()
        for point in curve.points
        if point.kl.value is not None and point.accuracy_change.value is not None
    ]
    return Estimator(MappingProxyType(made), _ladder(seen) if seen else None, sensitivity.n)


def _amplitude(curve: Curve, highest: int | None) -> Amplitude:
    measured = [(point.value, point.kl.value) for point in curve.points if point.kl.value is not None]
    whole = float(highest or max(value for value, _ in measured) + 1)
    placed = sorted((severity_of(curve.family, value, whole), kl) for value, kl in measured)
    severity = np.array([0.0, *(x for x, _ in placed)])
    amplitude = never_falling(np.sqrt([0.0, *(kl for _, kl in placed)]))
    return Amplitude(curve.family, severity, amplitude, whole)


def _ladder(seen: Iterable[Sequence[float]]) -> Floats:
    """Divergences in order with accuracy changes that never rise [2, n]; nothing done is 0 points."""
    points = np.array(sorted([(0.0, 0.0), *(tuple(map(float, pair)) for pair in seen)]))
    return np.stack([points[:, 0], -never_falling(-points[:, 1])])
