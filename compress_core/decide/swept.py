"""What turning one knob over all layers showed, as values: the plan, its places, their knees, plain JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
from pydantic import Field

from compress_core.decide.knee import knee_of
from compress_core.foundation.errors import Refused
from compress_core.foundation.knobs import Strict
from compress_core.foundation.number import Number
from compress_core.foundation.plain_json import number_as_json, number_from_json
from compress_core.foundation.progress import Progress
from compress_core.foundation.refusal_json import refusal_as_json, refusal_from_json
from compress_core.measure.behavior.metric import Direction
from compress_core.network.layers.kinds import Layer
from compress_core.recipe.values import Step
from compress_core.subject.answer_kind import PredictionTask


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
    {
        "accuracy": "higher",
        "worst_class": "higher",
        "churn": "lower",
        "ece": "lower",
        "error_growth": "lower",
        "explained_variance": "higher",
        "cosine_to_original": "higher",
        "similarity": "higher",
    }
)
"""What may be looked at on the way, and which way is better."""
_OF_CLASSES = ("accuracy", "worst_class", "churn", "ece")
_LOOKED_AT: Mapping[PredictionTask, tuple[str, ...]] = MappingProxyType(
    {
        PredictionTask.REGRESSION: ("error_growth", "explained_variance"),
        PredictionTask.EMBEDDING: ("cosine_to_original",),
    }
)


def looked_at(task: PredictionTask) -> tuple[str, ...]:
    """What is looked at where this is asked of a model; the likeness of its maps comes last."""
    return (*_LOOKED_AT.get(task, _OF_CLASSES), "similarity")


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

    @property
    def measures(self) -> tuple[str, ...]:
        """What was looked at, in the order in which it is told."""
        return tuple(name for name in DIRECTIONS if any(name in point.numbers for point in self.points))

    def values(self, measure: str, bound: str = "value") -> np.ndarray:
        """A measure over all places [n], or the low or high ends of its intervals; NaN where missing."""
        found = (point.numbers.get(measure) for point in self.points)
        numbers = (None if number is None else getattr(number, bound) for number in found)
        return np.array([np.nan if number is None else number for number in numbers], np.float64)

    def has_interval(self, measure: str) -> bool:
        """Whether anything says of a measure how sure it is."""
        return bool(np.isfinite(self.values(measure, "low")).any())

    def knee(self, measure: str) -> int | None:
        """The place of a measure's knee (`knee_of`); None where it is nowhere surely worse than at first.

        Where no interval tells what is sure, it is that of the values alone.
        """
        if self.has_interval(measure) and self.first_worse(measure) is None:
            return None
        return knee_of(self.values(measure), DIRECTIONS[measure])

    def first_worse(self, measure: str) -> int | None:
        """The first place where a measure is surely worse than at first; None where there is none."""
        return next((place for place, at in enumerate(self.points) if measure in at.is_worse), None)

    def broken_first(self) -> tuple[str, ...]:
        """The measures whose knee comes first; several where they share it, none where none surely broke."""
        sure = [measure for measure in self.measures if self.first_worse(measure) is not None]
        knees = {measure: self.knee(measure) for measure in sure}
        known = {measure: place for measure, place in knees.items() if place is not None}
        return tuple(measure for measure, place in known.items() if place == min(known.values()))


@dataclass(frozen=True)
class SweptSoFar(Progress):
    """Progress with the places that were measured until now."""

    found: Sweep

    def said(self) -> Mapping[str, Any] | None:
        """All of it as plain values, for a figure."""
        return sweep_as_json(self.found)


def sweep_as_json(found: Sweep) -> dict[str, Any]:
    """Plain values; texts can still be translated."""
    return {
        "plan": found.plan.model_dump(mode="json"),
        "n": found.n,
        "points": [_point_as_json(point) for point in found.points],
        "left_out": [[name, refusal_as_json(reason)] for name, reason in found.left_out],
    }


def _point_as_json(point: SweptPoint) -> dict[str, Any]:
    return {
        "value": point.value,
        "numbers": {name: number_as_json(number) for name, number in point.numbers.items()},
        "is_worse": sorted(point.is_worse),
        "file_bytes": point.file_bytes,
        "reason": None if point.reason is None else refusal_as_json(point.reason),
    }


def sweep_from_json(said: Mapping[str, Any]) -> Sweep:
    """The reverse of `sweep_as_json`."""
    return Sweep(
        SweepPlan.model_validate_json(json.dumps(said["plan"])),
        tuple(_point_from_json(point) for point in said["points"]),
        tuple((name, refusal_from_json(reason)) for name, reason in said["left_out"]),
        said["n"],
    )


def _point_from_json(said: Mapping[str, Any]) -> SweptPoint:
    return SweptPoint(
        said["value"],
        {name: number_from_json(number) for name, number in said["numbers"].items()},
        frozenset(said["is_worse"]),
        said["file_bytes"],
        None if said["reason"] is None else refusal_from_json(said["reason"]),
    )
