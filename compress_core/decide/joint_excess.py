"""How much more rounding costs in a layer that is pruned or factored: measured at a few pairs, else between.

Rounding both factors of a layer moves the answers ten times as far as rounding the layer itself: adding what
each does alone would promise too much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from compress_core.apply.model import Model
from compress_core.apply.run import compressed_further
from compress_core.decide.family import Family
from compress_core.decide.sensitivity import Curve, ScanPoint
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import predict, predicted_once
from compress_core.measure.behavior.metrics.kl import kl_by_item
from compress_core.recipe.values import Recipe, Rule, escaped
from compress_core.subject.split import Split

FEWEST_BITS = 3  # of the measured ones, the fewest first, are tried together with the other family
_LEAST, _MOST = 0.1, 1000.0


@dataclass(frozen=True)
class JointExcess:
    """Log of (divergence that rounding adds / that of rounding alone) at (degree, bits).

    degrees: values of the other family; bits ascending; logs [degrees, bits]. Beyond both ends it stays.
    """

    degrees: tuple[float, ...]
    bits: tuple[float, ...]
    logs: tuple[tuple[float, ...], ...]

    def at(self, degree: float, bits: float) -> float:
        """The ratio, between what was measured on lines of its logarithm."""
        order = np.argsort(self.degrees)
        rows = [np.interp(bits, self.bits, row) for row in self.logs]
        return float(np.exp(np.interp(degree, np.array(self.degrees)[order], np.array(rows)[order])))


def joint_excess(
    parent: Model, curves: Sequence[Curve], split: Split, store: Store
) -> Mapping[Family, JointExcess]:
    """By the family that rounding is joined with; nothing of a family that was not scanned beside bits."""
    found = {curve.family: [p for p in curve.points if p.kl.value is not None] for curve in curves}
    rounding = sorted(found.get(Family.BITS, ()), key=lambda point: point.value)[:FEWEST_BITS]
    excess: dict[Family, JointExcess] = {}
    for family in (Family.PRUNE, Family.RANK):
        known = found.get(family, [])
        if known and rounding:
            places = [known[at] for at in sorted({(len(known) - 1) // 4, 3 * (len(known) - 1) // 4})]
            measured = _measured(parent, places, rounding, split, store)
            if measured is not None:
                excess[family] = measured
    return excess


def _measured(
    parent: Model, places: Sequence[ScanPoint], rounding: Sequence[ScanPoint], split: Split, store: Store
) -> JointExcess | None:
    """None where a pair cannot be made."""
    try:
        logs = tuple(
            tuple(_log_ratio(parent, one, bits, split, store) for bits in rounding) for one in places
        )
    except Refused:
        return None
    return JointExcess(tuple(p.value for p in places), tuple(p.value for p in rounding), logs)


def _log_ratio(parent: Model, one: ScanPoint, bits: ScanPoint, split: Split, store: Store) -> float:
    model = compressed_further(parent, Recipe((Rule(escaped(one.place), (*one.steps, *bits.steps)),)), store)
    together = measured_kl(parent, model, split, store)
    added = (together - (one.kl.value or 0.0)) / max(bits.kl.value or 0.0, 1e-12)
    return float(np.log(np.clip(added, _LEAST, _MOST)))


def measured_kl(parent: Model, model: Model, split: Split, store: Store) -> float:
    """How far a model's answers are from its parent's on average, in nats; infinite where one is none."""
    divergence = kl_by_item(predict(parent, split, store), predicted_once(model, split, store))
    mean = float(divergence.mean())
    return mean if np.isfinite(mean) else np.inf
