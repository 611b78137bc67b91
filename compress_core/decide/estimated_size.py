"""How much a recipe will take, estimated at once from what each place took when it was compressed alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from compress_core.decide.family import Family
from compress_core.decide.knob_positions import Position, curves_by_knob
from compress_core.decide.sensitivity import Curve, ScanPoint, Sensitivity
from compress_core.numerics.arrays import Floats

_UNROUNDED_BITS = 32
LEAST_CHECKS = 8
"""Fewer real sizes correct no estimate."""


@dataclass(frozen=True, eq=False)
class SizeEstimator:
    """Packed bytes, or MACs, of every position that a scan has measured.

    whole: of the parent; places: what of it is each layer's; left: the whole over values of a knob, in the
    order of the values [2, points]. line: what real sizes said, log size = line[0] + line[1] * log estimate.
    """

    whole: float
    places: Mapping[str, float]
    left: Mapping[tuple[str, Family], Floats]
    line: tuple[float, float] = (0.0, 1.0)

    def of(self, positions: Iterable[Position]) -> float:
        """Layers save what they saved alone; what is cut from groups is a share of what is left then."""
        by_place: defaultdict[str, dict[Family, float]] = defaultdict(dict)
        cut = 1.0
        for each in positions:
            if each.family is Family.STRUCTURE:
                cut *= self._left_of_whole(each)
            else:
                by_place[each.place][each.family] = each.value
        saved = sum(self._saved(place, values) for place, values in by_place.items())
        offset, slope = self.line
        return float(np.exp(offset) * (max(self.whole - saved, self.whole * 1e-4) * cut) ** slope)

    def corrected(self, checks: Sequence[tuple[tuple[Position, ...], float]]) -> SizeEstimator:
        """The same, corrected by what models really took; few of them change nothing."""
        if len(checks) < LEAST_CHECKS:
            return self
        plain = replace(self, line=(0.0, 1.0))
        estimated = np.log([plain.of(positions) for positions, _ in checks])
        measured = np.log([max(size, 1.0) for _, size in checks])
        if np.ptp(estimated) == 0:
            return self
        slope, offset = np.polyfit(estimated, measured, 1)
        return self if slope <= 0 else replace(self, line=(float(offset), float(slope)))

    def _left_of_whole(self, each: Position) -> float:
        known = self.left.get((each.place, each.family))
        return 1.0 if known is None else float(np.interp(each.value, *known)) / self.whole

    def _saved(self, place: str, values: Mapping[Family, float]) -> float:
        """What a layer no longer takes: rounding shortens the weights that stay, not where they stand."""
        mine = self.places.get(place, 0.0)
        if mine == 0.0:
            return 0.0
        ratio = {
            family: 1 - self.whole * (1 - self._left_of_whole(Position(place, family, value))) / mine
            for family, value in values.items()
        }
        rounded = max(0.0, ratio.get(Family.BITS, 1.0)) * max(0.0, ratio.get(Family.RANK, 1.0))
        if Family.PRUNE not in values:
            return mine * (1 - rounded)
        kept = 1 - values[Family.PRUNE]
        if Family.BITS in values:  # near zero, where codes are short, no weight is left
            rounded = max(rounded, values[Family.BITS] / _UNROUNDED_BITS)
        return mine * (1 - kept * rounded - max(0.0, ratio[Family.PRUNE] - kept))


def bytes_estimator(sensitivity: Sensitivity, whole: float, weights: Mapping[str, int]) -> SizeEstimator:
    """Of the packed file; whole: bytes of the parent's. weights: how many each layer has."""
    total = max(1, sum(weights.values()))
    places = {name: whole * count / total for name, count in weights.items()}
    return _made(sensitivity, whole, places, lambda point: float(point.packed_bytes))


def macs_estimator(sensitivity: Sensitivity, whole: float, macs: Mapping[str, int]) -> SizeEstimator:
    """Of one item through the network; whole: the parent's. macs: of each layer."""
    places = {name: float(count) for name, count in macs.items()}
    return _made(sensitivity, whole, places, lambda point: whole if point.macs is None else float(point.macs))


def _made(
    sensitivity: Sensitivity, whole: float, places: Mapping[str, float], size: Callable[[ScanPoint], float]
) -> SizeEstimator:
    left = {knob: _left(curve, whole, size) for knob, curve in curves_by_knob(sensitivity).items()}
    return SizeEstimator(whole, MappingProxyType(dict(places)), MappingProxyType(left))


def _left(curve: Curve, whole: float, size: Callable[[ScanPoint], float]) -> Floats:
    measured = [(point.value, size(point)) for point in curve.points if point.kl.value is not None]
    if curve.family in {Family.PRUNE, Family.STRUCTURE}:
        measured.append((0.0, whole))
    return np.array(sorted(measured)).T
