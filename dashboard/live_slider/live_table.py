"""What a live slider carries to the browser: a table of readouts and the plot behind the knob."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["measured", "estimated", "exact"]
SliderValues = NDArray[np.floating | np.integer]

# The browser draws on a unit square of this many parts: integers are the shortest JSON.
PARTS = 10_000
CURVE_PARTS = 1_000
_MOST_DIGITS, _LONG = 4, 1e5  # beyond them a number on an axis is written with a power of ten


@dataclass(frozen=True)
class Moves:
    """What a knob moves: a column of some layers. What was drawn of the same recipe is stale meanwhile."""

    layers: tuple[str, ...]
    column: str
    recipe: str


@dataclass(frozen=True)
class MeasuredHere:
    """What was measured where the knob is at rest, in place of what stands there for that place.

    note: shown on hover, as that of the readout.
    """

    value: float
    unit: str
    digits: int = 2
    note: str = ""


@dataclass(frozen=True, eq=False)
class Readout:
    """One number under the slider, with its value for every place of the knob.

    values [rows]; NaN means not measured. kind has the meaning of `Number.kind`, and shows.
    text turns a value into what is read (without it: `digits` decimals), unit follows it. note is shown
    on hover: N, split, formula. missing: what stands for NaN, where that is not "not measured".
    here: what was measured where the knob is at rest, so that no estimate stands beside the better number.
    is_of_all: whether every knob of its layer changes it, as bytes; else those of earlier stages alone.
    """

    label: str
    unit: str
    values: SliderValues
    kind: Kind = "exact"
    digits: int = 1
    text: Callable[[float], str] | None = None
    note: str = ""
    missing: str = ""
    here: MeasuredHere | None = None
    is_of_all: bool = False

    def as_json(self, missing: str) -> dict[str, object]:
        """Label, one text for each row, and the curve of the values between 0 and CURVE_PARTS."""
        write = self.text or (lambda value: _decimal(value, self.digits))
        values = np.asarray(self.values, float)
        absent = self.missing or missing
        return {
            "label": self.label,
            "unit": self.unit,
            "kind": self.kind,
            "note": self.note,
            "texts": [write(value) if np.isfinite(value) else absent for value in values.tolist()],
            "curve": _curve(values),
            "here": None if self.here is None else _here(self.here, values),
            "isOfAll": self.is_of_all,
        }


@dataclass(frozen=True, eq=False)
class LiveTable:
    """About 100 rows, one for each place where the knob can stand.

    positions [rows], ascending, in the knob's own unit.
    """

    positions: SliderValues
    readouts: tuple[Readout, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.positions) > 0, "a slider needs at least one place to stand"
        assert bool(np.all(np.diff(self.positions) > 0)), "positions ascend"
        for readout in self.readouts:
            assert len(readout.values) == len(self.positions), f"one value for each row: {readout.label}"

    def nearest(self, value: float) -> float:
        """The place of the knob closest to a value."""
        return float(self.positions[int(np.argmin(np.abs(np.asarray(self.positions, float) - value)))])


@dataclass(frozen=True)
class Reference:
    """A line that stays where it is, with its name: the break-even rank, say."""

    label: str
    position: float


@dataclass(frozen=True, eq=False)
class Histogram:
    """The plot over the slider: bars that stay, lines and a shaded region that follow the knob.

    edges [bins + 1], counts [bins] >= 0 (a count, or a height such as a singular value).
    marks [rows][lines] in the unit of the edges: -threshold and +threshold, or the levels of a quantizer;
    rows may differ in length, NaN is not drawn. removed [rows, 2]: from where to where nothing survives.
    kept [rows, bins]: what is left of each bar, for rows in which no line tells that.
    label says what is drawn, for people who don't see it; caption and axis stand in the plot.
    """

    edges: SliderValues
    counts: SliderValues
    label: str
    marks: Sequence[SliderValues]
    removed: SliderValues | None = None
    references: tuple[Reference, ...] = ()
    log_counts: bool = False
    caption: str = ""
    axis: str = ""
    kept: SliderValues | None = None

    def __post_init__(self) -> None:
        assert len(self.edges) == len(self.counts) + 1 >= 2, "one edge more than bars"
        assert bool(np.all(np.diff(self.edges) > 0)), "edges ascend"
        assert bool(np.all(np.asarray(self.counts) >= 0)), "counts are not negative"
        assert self.removed is None or np.shape(self.removed) == (len(self.marks), 2), (
            "from and to for each row"
        )
        assert self.kept is None or np.shape(self.kept) == (len(self.marks), len(self.counts)), (
            "what is left of each bar for each row"
        )

    def as_json(self) -> dict[str, object]:
        """The plot on a square of PARTS x PARTS."""
        heights = self._scaled(self.counts)
        bounds = self._rows_of_parts(list(self.removed)) if self.removed is not None else None
        return {
            "label": self.label,
            "caption": self.caption,
            "axis": self.axis,
            "edges": self._parts(self.edges),
            "heights": heights.tolist(),
            "kept": None if self.kept is None else self._scaled(self.kept).tolist(),
            "marks": self._rows_of_parts(self.marks),
            "removed": bounds,
            "references": [[*self._parts(np.array([r.position])), r.label] for r in self.references],
            "ticks": [[*self._parts(np.array([at])), text] for at, text in self._ticks()],
        }

    def _scaled(self, counts: SliderValues) -> NDArray[np.int64]:
        """Heights in parts of the tallest bar."""
        heights, tallest = (np.asarray(c, float) for c in (counts, self.counts))
        if self.log_counts:
            heights, tallest = np.log1p(heights), np.log1p(tallest)
        return np.rint(heights / (tallest.max() or 1.0) * CURVE_PARTS).astype(np.int64)

    def _parts(self, places: SliderValues) -> list[int]:
        """Positions on the axis as parts of its width; what lies outside stands at the border."""
        low, high = float(self.edges[0]), float(self.edges[-1])
        shares = (np.asarray(places, float) - low) / (high - low)
        parts: list[int] = np.rint(np.clip(shares[~np.isnan(shares)], 0, 1) * PARTS).astype(int).tolist()
        return parts

    def _rows_of_parts(self, rows: Sequence[SliderValues]) -> list[list[int]]:
        """The same for every row at once: a hundred small arrays would cost a hundred times as much."""
        lengths = [int(np.count_nonzero(~np.isnan(row))) for row in rows]
        parts = iter(self._parts(np.concatenate([np.asarray(row, float) for row in rows])))
        return [list(islice(parts, length)) for length in lengths]

    def _ticks(self) -> list[tuple[float, str]]:
        """Three to six round numbers on the axis; very large and very small ones with a power of ten."""
        low, high = float(self.edges[0]), float(self.edges[-1])
        rough = (high - low) / 4
        power = 10.0 ** np.floor(np.log10(rough))
        step = float(power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - rough)))
        digits = max(0, -int(np.floor(np.log10(step))))
        places = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1)
        plain = digits <= _MOST_DIGITS and max(abs(low), abs(high)) < _LONG
        return [(at, _decimal(at, digits) if plain else _power(at)) for at in (places * step).tolist()]


def _curve(values: NDArray[np.float64]) -> list[int | None]:
    """Values between the least (0) and the greatest (CURVE_PARTS); a constant lies in the middle."""
    known = np.isfinite(values)
    low, high = (values[known].min(), values[known].max()) if known.any() else (0.0, 0.0)
    shares = (np.where(known, values, low) - low) / (high - low) if high > low else np.full(len(values), 0.5)
    heights = np.rint(shares * CURVE_PARTS).astype(int).tolist()
    return [height if is_known else None for height, is_known in zip(heights, known.tolist(), strict=True)]


def _here(measured: MeasuredHere, values: NDArray[np.float64]) -> dict[str, object]:
    """Its text, and its height beside the curve; at its border where it lies outside."""
    known = values[np.isfinite(values)]
    inside = float(np.clip(measured.value, known.min(), known.max())) if known.size else None
    height = None if inside is None else _curve(np.append(values, inside))[-1]
    return {
        "text": _decimal(measured.value, measured.digits),
        "unit": measured.unit,
        "note": measured.note,
        "height": height,
    }


def _power(value: float) -> str:
    return f"{value + 0.0:.3g}".replace("-", "\N{MINUS SIGN}")


def _decimal(value: float, digits: int) -> str:
    """Grouped by thousands, with a true minus, and none before a zero."""
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "\N{MINUS SIGN}")
