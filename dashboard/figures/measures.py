"""What models are compared by: how a measure is called, in which unit it is drawn, which way is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from compress_core.foundation.texts import N_
from compress_core.numerics.arrays import Bools, Floats
from dashboard.figures.interval_bars import interval_bars
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.measure.behavior.metric import Direction

FROM_HERE_ON_LOG = 8.0  # largest over smallest, of what has no zero
LOW, HIGH = "low", "high"
_LOGGED = frozenset({"byte", "MAC", "ratio", "weight"})


@dataclass(frozen=True)
class Drawing:
    """How a unit of the core is drawn: times a factor, under the name that an axis gives it."""

    factor: float
    unit: str
    digits: int


_DRAWN: Mapping[str, Drawing] = MappingProxyType(
    {
        "share": Drawing(100.0, "%", 2),
        "points": Drawing(1.0, N_("points"), 2),
        "byte": Drawing(1 / 1024, "KiB", 2),
        "MAC": Drawing(1e-6, N_("million"), 3),
        "ratio": Drawing(1.0, N_("times"), 2),
        "nat": Drawing(1.0, "nat", 4),
        "item": Drawing(1.0, N_("items"), 0),
        "R squared": Drawing(1.0, "", 4),
        "value": Drawing(1.0, N_("units of the labels"), 3),
        "value change": Drawing(1.0, N_("units of the labels"), 3),
    }
)


def drawing_of(unit: str) -> Drawing:
    """How a unit is drawn; one that has no other form is drawn as it is."""
    return _DRAWN.get(unit, Drawing(1.0, unit, 3))


@dataclass(frozen=True)
class Measure:
    """A column of the table of models; its interval stands in `NAME.low` and `NAME.high`."""

    name: str
    title: str
    unit: str
    direction: Direction

    @property
    def drawing(self) -> Drawing:
        """How its unit is drawn."""
        return drawing_of(self.unit)

    @property
    def axis(self) -> str:
        """Title and unit, as they stand beside an axis."""
        return f"{_(self.title)} ({_(self.drawing.unit)})" if self.drawing.unit else _(self.title)

    def of(self, models: pd.DataFrame, bound: str = "") -> Floats:
        """Its values in a table of models as they are drawn, [n]; NaN where it was not measured.

        bound: "low" or "high" for an end of the interval.
        """
        name = f"{self.name}.{bound}" if bound else self.name
        if name not in models:
            return np.full(len(models), np.nan)
        values: Floats = pd.to_numeric(models[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        return values * self.drawing.factor

    def said(self, value: float) -> str:
        """A value as it is drawn, in words."""
        if not np.isfinite(value):
            return _("not measured")
        return f"{value + 0.0:,.{self.drawing.digits}f} {_(self.drawing.unit)}".rstrip()

    def reaches_far(self, values: Floats) -> bool:
        """Whether these values need an axis in powers of ten."""
        known = values[np.isfinite(values)]
        if self.unit not in _LOGGED or not known.size or known.min() <= 0:
            return False
        return bool(known.max() > FROM_HERE_ON_LOG * known.min())


_SIZES = (
    Measure("packed_bytes", N_("Packed file"), "byte", "lower"),
    Measure("bytes", N_("Size of the file"), "byte", "lower"),
    Measure("size_ratio", N_("Size ratio"), "ratio", "higher"),
    Measure("sparsity", N_("Zeros"), "share", "higher"),
    Measure("macs", N_("MACs"), "MAC", "lower"),
)


def measures() -> tuple[Measure, ...]:
    """All that has a better and a worse: sizes first, then the metrics in the order of their files."""
    from compress_core.measure.behavior.metric import metrics

    behavior = sorted(metrics().values(), key=lambda metric: (metric.order, metric.name))
    judged = (
        Measure(metric.name, metric.title, metric.unit, metric.direction)
        for metric in behavior
        if metric.direction != "none"
    )
    return (*_SIZES, *judged)


def measured(models: pd.DataFrame) -> tuple[Measure, ...]:
    """The measures that at least one model of the table has."""
    return tuple(measure for measure in measures() if np.isfinite(measure.of(models)).any())


def values_of(measures: Sequence[Measure], models: pd.DataFrame) -> Floats:
    """A row for each model, a column for each measure [n, m]."""
    return np.stack([measure.of(models) for measure in measures], axis=1)


def error_bars(measure: Measure, models: pd.DataFrame, chosen: Bools, color: str) -> dict[str, Any]:
    """The intervals of some models as Plotly draws them; none where there is none."""
    rows = models[chosen]
    value, low, high = measure.of(rows), measure.of(rows, LOW), measure.of(rows, HIGH)
    return interval_bars(value, low, high, color, thickness=1.2, width=3)
