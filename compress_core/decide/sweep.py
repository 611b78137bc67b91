"""What breaks first: one knob turned over all layers at once, and every measure looked at on the way."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
import torch
from pydantic import Field

from compress_core.apply.model import Model
from compress_core.apply.run import compressed_further
from compress_core.decide.knee import knee_of
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict
from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import predict, predicted_once
from compress_core.measure.behavior.metric import NO_LABELS, Direction
from compress_core.measure.explain.alike_maps import UNIT, OriginalMaps, original_maps
from compress_core.measure.explain.attribution import method_named
from compress_core.network.layers.kinds import Layer
from compress_core.numerics.intervals import wilson
from compress_core.recipe.values import ResolvedRecipe, Step


class SweptKnob(StrEnum):
    """What is turned: the share of weights that is removed, the bits of each weight, the rank that stays."""

    SPARSITY = "sparsity"
    BITS = "bits"
    RANK_SHARE = "rank_share"


@dataclass(frozen=True)
class _Sweeping:
    technique: str
    values: tuple[float, ...]


_SWEEPS: Mapping[SweptKnob, _Sweeping] = MappingProxyType(
    {
        SweptKnob.SPARSITY: _Sweeping("magnitude", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)),
        SweptKnob.BITS: _Sweeping("uniform", (8, 7, 6, 5, 4, 3, 2)),
        SweptKnob.RANK_SHARE: _Sweeping("low_rank", (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)),
    }
)
DIRECTIONS: Mapping[str, Direction] = MappingProxyType(
    {"accuracy": "higher", "worst_class": "higher", "churn": "lower", "ece": "lower", "similarity": "higher"}
)
"""What is looked at on the way, and which way is better."""
NOT_EXPLAINED = N_("Attribution maps were not asked for.")


class SweepPlan(Strict):
    """Which knob is turned; technique: how, empty for the usual one of that knob.

    method: of attribution, empty for none, on so many items; locked: layers that stay as they are.
    """

    knob: SweptKnob = SweptKnob.SPARSITY
    technique: str = ""
    split: str = "validation"
    method: str = ""
    items: int = Field(default=32, ge=6, le=512)
    locked: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[float, ...]:
        """The places of the knob, from the mildest to the hardest."""
        return _SWEEPS[self.knob].values

    def step(self, value: float, layer: Layer) -> Step:
        """What a place of the knob means for a layer; raises Refused for a technique without that knob."""
        technique = self.technique or _SWEEPS[self.knob].technique
        match self.knob:
            case SweptKnob.SPARSITY:
                return Step.of(technique, sparsity=value)
            case SweptKnob.BITS:
                return Step.of(technique, bits=round(value))
            case SweptKnob.RANK_SHARE:
                return Step.of(technique, rank=max(1, round(value * layer.highest_rank)))


@dataclass(frozen=True, eq=False)
class SweptPoint:
    """The model at one place of the knob, None before anything is turned: its numbers by name, its file.

    is_worse: the measures that are surely worse than at first, their intervals looked at. reason: why it
    could not be made; there are no numbers then.
    """

    value: float | None
    numbers: Mapping[str, Number]
    is_worse: frozenset[str] = frozenset()
    file_bytes: int = 0
    reason: Refused | None = None


@dataclass(frozen=True, eq=False)
class Sweep:
    """All places of a knob, from the mildest; left_out: layers that could not be treated, and why."""

    plan: SweepPlan
    points: tuple[SweptPoint, ...]
    left_out: tuple[tuple[str, Refused], ...] = ()
    n: int = 0

    def values(self, measure: str, bound: str = "value") -> np.ndarray:
        """A measure over all places [n], or the low or high ends of its intervals; NaN where missing."""
        found = (point.numbers.get(measure) for point in self.points)
        numbers = (None if number is None else getattr(number, bound) for number in found)
        return np.array([np.nan if number is None else number for number in numbers], np.float64)

    def knee(self, measure: str) -> int | None:
        """The place of a measure's knee (`knee_of`); None where it is nowhere surely worse than at first."""
        if not any(measure in point.is_worse for point in self.points):
            return None
        return knee_of(self.values(measure), DIRECTIONS[measure])

    def first_worse(self, measure: str) -> int | None:
        """The first place where a measure is surely worse than at first; None where there is none."""
        return next((place for place, at in enumerate(self.points) if measure in at.is_worse), None)

    def broken_first(self) -> tuple[str, ...]:
        """The measures whose knee comes first; several where they share it, none where nothing broke."""
        knees = {measure: self.knee(measure) for measure in DIRECTIONS}
        known = {measure: place for measure, place in knees.items() if place is not None}
        return tuple(measure for measure, place in known.items() if place == min(known.values()))


def sweep(parent: Model, plan: SweepPlan, seed: int, store: Store) -> Generator[Progress, None, Sweep]:
    """Turn one knob over all layers on top of a model and measure each place; yields how far it is.

    Raises Refused where no layer can be treated, or a method cannot explain the model.
    """
    total = len(plan.values) + 2
    yield Progress(0, total, N_("which layers can be treated"))
    layers, left_out = _treatable(parent, plan, store)
    split = parent.subject.split(plan.split)
    before = predict(Model.original(parent.subject), split, store)
    yield Progress(1, total, N_("before the knob is turned"))
    maps = _maps(parent, plan, seed)
    start = _start(parent, Comparison(before, predict(parent, split, store)), maps, seed)
    points = [start]
    for place, value in enumerate(plan.values):
        yield Progress(2 + place, total, N_("compressing and measuring"))
        try:
            model = compressed_further(parent, _recipe(plan, value, layers), store)
            compared = Comparison(before, predicted_once(model, split, store))
            points.append(_point(model, value, compared, maps, start))
        except Refused as refused:
            points.append(SweptPoint(value, {}, reason=refused))
    return Sweep(plan, tuple(points), left_out, before.n)


def _recipe(plan: SweepPlan, value: float, layers: tuple[Layer, ...]) -> ResolvedRecipe:
    return ResolvedRecipe(tuple((layer.name, (plan.step(value, layer),)) for layer in layers))


def _treatable(
    parent: Model, plan: SweepPlan, store: Store
) -> tuple[tuple[Layer, ...], tuple[tuple[str, Refused], ...]]:
    """The layers that bear the mildest place alone; the others with the reason. Raises Refused for none."""
    free, left_out = [], []
    for layer in parent.base.layers:
        if layer.name in plan.locked or layer.name in parent.subject.locked:
            continue
        try:
            compressed_further(parent, _recipe(plan, plan.values[0], (layer,)), store)
            free.append(layer)
        except Refused as refused:
            left_out.append((layer.name, refused))
    if not free:
        raise (
            left_out[0][1]
            if left_out
            else Refused("Every layer is locked: unlock one that may be compressed.")
        )
    return tuple(free), tuple(left_out)


def _maps(parent: Model, plan: SweepPlan, seed: int) -> OriginalMaps | None:
    if not plan.method:
        return None
    subject, split = parent.subject, parent.subject.split(plan.split)
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    chosen = order[: plan.items].sort().values
    method = method_named(plan.method)
    return original_maps(subject.network, split.inputs[chosen], method, subject.input.baseline)


def _start(parent: Model, compared: Comparison, maps: OriginalMaps | None, seed: int) -> SweptPoint:
    """Before the knob is turned; the original's own maps are as alike as noise lets them be."""
    if maps is None:
        alike = Number.missing(UNIT, NOT_EXPLAINED)
    elif parent.is_changed:
        alike = maps.alike(parent.network())
    else:
        alike = maps.noise_ceiling(parent.subject.network, seed)
    return SweptPoint(None, {**_numbers(compared), "similarity": alike}, file_bytes=parent.file_bytes)


def _point(
    model: Model, value: float, compared: Comparison, maps: OriginalMaps | None, start: SweptPoint
) -> SweptPoint:
    alike = Number.missing(UNIT, NOT_EXPLAINED) if maps is None else maps.alike(model.network())
    numbers = {**_numbers(compared), "similarity": alike}
    worse = {name for name in DIRECTIONS if _is_worse(name, numbers[name], start.numbers[name])}
    return SweptPoint(value, numbers, frozenset(worse), model.file_bytes)


def _is_worse(name: str, now: Number, first: Number) -> bool:
    """Whether the interval of a number lies on the worse side of what it was at first."""
    if first.value is None or now.low is None or now.high is None:
        return False
    return now.high < first.value if DIRECTIONS[name] == "higher" else now.low > first.value


def _numbers(compared: Comparison) -> dict[str, Number]:
    found = compared.numbers
    return {
        **{name: found[name] for name in ("accuracy", "churn", "ece")},
        "worst_class": worst_class(compared),
    }


def worst_class(compared: Comparison) -> Number:
    """The lowest accuracy of any class after; Wilson intervals of all classes that hold together."""
    if not compared.has_labels:
        return Number.missing("share", NO_LABELS, compared.after.n)
    classes = compared.per_class()
    shares = classes["accuracy_after"].to_numpy(np.float64)
    lowest = int(shares.argmin())
    value, n = float(shares[lowest]), int(classes["n"].to_numpy()[lowest])
    bounds = wilson(round(value * n), n, 1 - 0.05 / len(classes))
    return Number(value, "share", "measured", float(bounds.low), float(bounds.high), n)
