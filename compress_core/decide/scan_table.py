"""The points of scans as rows of the workspace, each under the key of its content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compress_core.apply.model import Model
from compress_core.decide.family import Family
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.scan_trials import ScanTrial
from compress_core.decide.sensitivity import Curve, ScanPoint
from compress_core.foundation.plain_json import number_as_json, number_from_json
from compress_core.foundation.release import lasting_key
from compress_core.foundation.store import Store, digest
from compress_core.foundation.workspace.json_text import Json, as_text
from compress_core.recipe.values import Step
from compress_core.subject.split import Split


@dataclass(frozen=True, eq=False)
class ScanTable:
    """The points that are known on top of one parent, those of other processes as well."""

    parent: Model
    store: Store
    points: dict[str, ScanPoint] = field(default_factory=dict)

    @classmethod
    def of(cls, parent: Model, store: Store) -> ScanTable:
        """What the workspace knows now."""
        rows = {} if store.workspace is None else store.workspace.scans.of_parent(parent.key)
        return cls(parent, store, {key: point_from_json(row) for key, row in rows.items()})

    def find(self, trial: ScanTrial, items: Split) -> ScanPoint | None:
        """A point as it was measured on these items."""
        return self.points.get(self._key(trial, items))

    def keep(self, trial: ScanTrial, items: Split, point: ScanPoint) -> None:
        """Keep a point; it is on the disk when this returns. Raises Refused where that is full."""
        key = self._key(trial, items)
        self.points[key] = point
        if self.store.workspace is not None:
            self.store.workspace.scans.keep(key, self.parent.key, point_as_json(point))

    def _key(self, trial: ScanTrial, items: Split) -> str:
        steps = as_text([step.as_json() for step in trial.steps])
        name = self.parent.subject.name  # the packed file holds it
        what = (trial.place, trial.family.value, trial.value, steps)
        return lasting_key(digest("scan point", self.parent.key, name, *what, items.name, items.digest))


def point_as_json(point: ScanPoint) -> Json:
    """Plain values; texts can still be translated."""
    return {
        "place": point.place,
        "family": point.family.value,
        "value": point.value,
        "steps": [step.as_json() for step in point.steps],
        "model": point.model,
        "kl": number_as_json(point.kl),
        "accuracy_change": number_as_json(point.accuracy_change),
        "packed_bytes": point.packed_bytes,
        "parameters": point.parameters,
        "macs": point.macs,
    }


def point_from_json(said: Mapping[str, Any]) -> ScanPoint:
    """The reverse of `point_as_json`."""
    family = Family(said["family"])
    return ScanPoint(
        said["place"],
        family,
        said["value"],
        tuple(_step(step, family) for step in said["steps"]),
        said["model"],
        number_from_json(said["kl"]),
        number_from_json(said["accuracy_change"]),
        said["packed_bytes"],
        said["parameters"],
        said["macs"],
    )


def _step(said: Mapping[str, Any], family: Family) -> Step:
    of = Step.of_group if family is Family.STRUCTURE else Step.of
    return of(said["technique"], **{name: value for name, value in said.items() if name != "technique"})


def curves_of(points: Iterable[ScanPoint]) -> tuple[Curve, ...]:
    """Points by place and family, from the mildest to the hardest, in the order in which places come."""
    found: defaultdict[tuple[str, Family], list[ScanPoint]] = defaultdict(list)
    for point in points:
        found[point.place, point.family].append(point)
    return tuple(Curve(*at, tuple(sorted(each, key=_hardness))) for at, each in found.items())


def _hardness(point: ScanPoint) -> float:
    return -point.value if point.family in {Family.RANK, Family.BITS} else point.value


def known_curves(parent: Model, plan: ScanPlan, store: Store) -> tuple[Curve, ...]:
    """Every curve that was measured on top of a model with the techniques of a plan, whatever its points.

    Of a point that was measured twice, the one on more items. Empty where no scan was made.
    """
    best: dict[tuple[str, Family, float], ScanPoint] = {}
    for point in ScanTable.of(parent, store).points.values():
        if not point.is_measured or not _is_of(point, plan):
            continue
        at = (point.place, point.family, point.value)
        if at not in best or (best[at].kl.n or 0) < (point.kl.n or 0):
            best[at] = point
    order = [layer.name for layer in parent.base.layers]
    places = {place: index for index, place in enumerate(order)}
    return curves_of(
        sorted(best.values(), key=lambda p: (places.get(p.place, len(order)), p.place, p.family))
    )


def _is_of(point: ScanPoint, plan: ScanPlan) -> bool:
    named = {plan.technique_of(point.family), "drop_block"}
    return all(step.technique in named for step in point.steps)
