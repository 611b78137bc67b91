"""How much a loss of accuracy hurts, on a scale on which the losses of several places go together.

The share of all answers that turns wrong cannot exceed one, so losses of places do not add up; the negative
logarithm of the share that is left does. What a place loses alone is measured on few items: a small loss is
mostly noise, and is drawn to what its divergence usually costs.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from compress_core.decide.sensitivity import ScanPoint
from compress_core.foundation.number import Number
from compress_core.numerics.arrays import Floats
from compress_core.numerics.monotone import never_falling

_MOST = 99.0  # points; more has no finite damage
_USUAL_SPREAD = 0.5  # of the damage at a divergence, as a share of it: networks and families differ so far
_TO_DEVIATION = 1 / 3.92  # from the width of a 95 % interval


def damage_of(change: float) -> float:
    """Of a change of accuracy in points: -log(1 - share lost); a gain is no damage."""
    return float(-np.log1p(-min(max(-change, 0.0), _MOST) / 100))


def points_of(damage: float) -> float:
    """The change of accuracy in points, never above 0."""
    return float(100 * np.expm1(-damage))


def usual_damage(points: Iterable[ScanPoint]) -> Floats | None:
    """(divergence, damage) of all points in order, the second never falling [2, n]; None without labels."""
    seen = [
        (point.kl.value, damage_of(point.accuracy_change.value))
        for point in points
        if point.kl.value is not None and point.accuracy_change.value is not None
    ]
    if not seen:
        return None
    ordered = np.array(sorted([(0.0, 0.0), *seen]))
    return np.stack([ordered[:, 0], never_falling(ordered[:, 1])])


def expected_damage(point: ScanPoint, usual: Floats) -> float:
    """Between what was measured of a point and what its divergence usually costs, by their deviations.

    The mean of both, each weighted by one over its variance; usual: as from `usual_damage` [2, n].
    """
    divergence = point.kl.value or 0.0
    expected = float(np.interp(np.sqrt(divergence), np.sqrt(usual[0]), usual[1]))
    change = point.accuracy_change
    if change.value is None:
        return expected
    spread, deviation = (_USUAL_SPREAD * expected) ** 2, _deviation(change) ** 2
    if spread + deviation == 0:
        return damage_of(change.value)
    return (spread * damage_of(change.value) + deviation * expected) / (spread + deviation)


def _deviation(change: Number) -> float:
    """Standard deviation of a damage, from the interval of the change; 0 where it has none."""
    if change.low is None or change.high is None:
        return 0.0
    return (damage_of(change.low) - damage_of(change.high)) * _TO_DEVIATION
