"""What a gate can ask for: every metric that has a better side, and the measures that are one file each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from compress_core.foundation.number import Number
from compress_core.foundation.one_file_each import OneFileEach
from compress_core.measure.behavior.metric import OF_ANOTHER_TASK, Metric, metrics
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.limit_range import LimitRange, limit_range

ReviewFunction = Callable[[Evidence], Number]
BetterSide = Literal["higher", "lower"]
Narrowing = Literal["paired", "share", "root", "none"]
"""How an interval narrows with more items: as that of a paired change, of a share, of a mean, or not."""


@dataclass(frozen=True)
class ReviewMeasure:
    """A named quantity of a compressed model on which a gate may stand.

    direction: which side is better. narrowing: how its interval narrows with more items, which says how many
    would decide.
    """

    name: str
    title: str
    summary: str
    unit: str
    direction: BetterSide
    narrowing: Narrowing
    order: int
    function: ReviewFunction

    @property
    def limits(self) -> LimitRange:
        """Where the limit of a gate on it may lie: its unit says so."""
        return limit_range(self.unit)

    def __call__(self, evidence: Evidence) -> Number:
        """The number, or why it is missing."""
        return self.function(evidence)


_FILES: OneFileEach[ReviewMeasure] = OneFileEach(
    "compress_core.reviews.measures", lambda measure: (measure.order, measure.name)
)


def review_measure(
    *, title: str, unit: str, direction: BetterSide, order: int, narrowing: Narrowing
) -> Callable[[ReviewFunction], ReviewFunction]:
    """Register a function of the evidence as a measure; it stays a function."""

    def register(function: ReviewFunction) -> ReviewFunction:
        name = getattr(function, "__name__")  # noqa: B009 - a Callable has no __name__ for mypy
        docstring = inspect.getdoc(function)
        assert docstring, f"{name} has no docstring to show"
        summary = docstring.splitlines()[0]
        declared = ReviewMeasure(name, title, summary, unit, direction, narrowing, order, function)
        _FILES.declare(function.__module__, name, declared)
        return function

    return register


@lru_cache(maxsize=1)
def review_measures() -> Mapping[str, ReviewMeasure]:
    """Every measure by name: metrics of a comparison first, then those of the files."""
    of_metrics = [
        _of_metric(metric, metric.direction) for metric in metrics().values() if metric.direction != "none"
    ]
    found = {measure.name: measure for measure in sorted(of_metrics, key=lambda m: (m.order, m.name))}
    return MappingProxyType({**found, **_FILES.found()})


def _of_metric(metric: Metric, direction: BetterSide) -> ReviewMeasure:
    def measured(evidence: Evidence) -> Number:
        missing = Number.missing(metric.unit, OF_ANOTHER_TASK, len(evidence.split))
        return evidence.numbers.get(metric.name, missing)

    said = (metric.name, metric.title, metric.summary, metric.unit)
    return ReviewMeasure(*said, direction, _narrowing(metric), metric.order, measured)


def _narrowing(metric: Metric) -> Narrowing:
    """A count of items grows with them, so its limit speaks of these items alone."""
    if metric.change_of == "accuracy":
        return "paired"
    if metric.unit == "item":
        return "none"
    return "share" if metric.interval == "Wilson interval" else "root"
