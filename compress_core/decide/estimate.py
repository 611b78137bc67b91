"""What a recipe will do to the answers, estimated at once from what each place did alone.

An estimate is no measurement: what layers do to one another is in it only as a rule. Each real evaluation
is a check (`estimate_pairs`), and from some on they correct it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from compress_core.decide.damage import damage_of, expected_damage, points_of, usual_damage
from compress_core.decide.joined_places import Amplitude, Joined, severity_of
from compress_core.decide.knob_positions import Position, curves_by_knob
from compress_core.decide.sensitivity import Curve, ScanPoint, Sensitivity
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.numerics.arrays import Floats
from compress_core.numerics.monotone import never_falling

DIVERGENCE_POWER, DAMAGE_POWER = 0.75, 0.65
"""How places go together; chosen on random recipes of lenet300 and lenet5."""
LEAST_PAIRS = 8
"""Fewer real evaluations correct no estimate."""
_LEAST_DAMAGE = 0.002  # a fifth of a point: what is less says nothing of how places act together
_NO_INTERVAL = N_("Estimated from what each layer does alone: no interval says how layers act together.")
NO_ACCURACY = N_("The scan measured no accuracy: that takes labels, and a model that answers with classes.")


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
class Estimator:
    """Estimates for every position of every knob that a scan has measured.

    kl: how the divergences of places go together; damage: how their losses of accuracy do (`damage_of`),
    None without labels. items: how many were measured.
    """

    kl: Joined
    damage: Joined | None
    items: int

    def divergence(self, positions: Iterable[Position]) -> float:
        """Nats; 0 for no position. Raises Refused for a knob that was not measured."""
        return self.kl.of(positions)

    def change(self, positions: Iterable[Position]) -> float | None:
        """Points of accuracy; None without labels. Raises Refused for a knob that was not measured."""
        return None if self.damage is None else points_of(self.damage.of(positions))

    def estimate(self, positions: Sequence[Position]) -> Estimate:
        """Both numbers, which say what they are. Raises Refused for a knob that was not measured."""
        change = self.change(positions)
        return Estimate(
            Number(self.divergence(positions), "nat", "estimated", n=self.items, no_interval=_NO_INTERVAL),
            Number.missing("points", NO_ACCURACY)
            if change is None
            else Number(change, "points", "estimated", n=self.items, no_interval=_NO_INTERVAL),
        )

    def corrected(self, pairs: Sequence[Pair]) -> Estimator:
        """The same, corrected by real evaluations: how places go together, and how far.

        Fewer than `LEAST_PAIRS` change nothing.
        """
        usable = [pair for pair in pairs if pair.kl > 0 and pair.positions]
        if len(usable) < LEAST_PAIRS:
            return self
        kl = self.kl.corrected([(pair.positions, pair.kl) for pair in usable])
        lost = [(pair.positions, damage_of(pair.change)) for pair in usable if pair.change is not None]
        hurt = [(positions, damage) for positions, damage in lost if damage >= _LEAST_DAMAGE]
        if self.damage is None or len(hurt) < LEAST_PAIRS:
            return replace(self, kl=kl)
        return replace(self, kl=kl, damage=self.damage.corrected(hurt))


def estimator_of(sensitivity: Sensitivity, highest: Mapping[str, int] | None = None) -> Estimator:
    """From the curves of a scan; highest: the whole rank of layers, else one above the mildest measured.

    Points with noise, such as less divergence at more bits removed, are evened out (`never_falling`).
    Raises Refused where nothing was measured.
    """
    curves = curves_by_knob(sensitivity)
    if not curves:
        raise Refused("The scan has measured nothing yet, so nothing can be estimated from it: let it go on.")
    usual = usual_damage(point for curve in curves.values() for point in curve.points)
    kl, damage = (
        MappingProxyType(
            {
                knob: _amplitude(curve, (highest or {}).get(curve.place), usual if of_damage else None)
                for knob, curve in curves.items()
            }
        )
        for of_damage in (False, True)
    )
    return Estimator(
        Joined(kl, DIVERGENCE_POWER),
        None if usual is None else Joined(damage, DAMAGE_POWER),
        sensitivity.n,
    )


def _amplitude(curve: Curve, highest: int | None, usual: Floats | None) -> Amplitude:
    """Of the divergence, or of the damage where it is said what that usually is."""
    measured = [point for point in curve.points if point.kl.value is not None]
    whole = float(highest or max(point.value for point in measured) + 1)
    placed = sorted((severity_of(curve.family, p.value, whole), _amount(p, usual)) for p in measured)
    severity = np.array([0.0, *(x for x, _ in placed)])
    amplitude = never_falling(np.sqrt([0.0, *(amount for _, amount in placed)]))
    return Amplitude(curve.family, severity, amplitude, whole)


def _amount(point: ScanPoint, usual: Floats | None) -> float:
    return point.kl.value or 0.0 if usual is None else expected_damage(point, usual)
