"""How much each place bears in one family: its divergence from degree to degree, as curves and as a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import plotly.graph_objects as go

from compress_core.decide.family import Family
from compress_core.decide.scan_frame import scan_frame
from compress_core.decide.scan_words import HIGH_FROM, LOW_BELOW, Level, level_of, middle_of
from compress_core.decide.sensitivity import Curve, ScanPoint
from compress_core.foundation.texts import N_
from compress_core.numerics.arrays import Floats
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.interval_bars import curve_with_intervals
from dashboard.figures.log_axis import log_axis
from dashboard.figures.words import hover, percent, safe_names, shortened_apart
from dashboard.text import _

FLOOR = 1e-5  # nats; what is below is drawn there, since a logarithm has no zero
_NAMED = len(palette.OKABE_ITO)
_ROW, _AROUND, _ROWS, _COLOR_BAR, _BESIDE = 26, 150, 40, 160, 60
_POWERS, _POWERS_SAID = (-5, -4, -3, -2, -1, 0, 1), ("≤ 1e-5", "1e-4", "0.001", "0.01", "0.1", "1", "10")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
DegreesTried = Mapping[str, Sequence[float]]
"""To which degrees a scan tries each place; a place that is not there: nobody knows."""
_NOT_KNOWN: DegreesTried = MappingProxyType({})
_AXES = {
    Family.PRUNE: N_("share of the weights that is removed"),
    Family.STRUCTURE: N_("share of the channels that is removed"),
    Family.RANK: N_("degree, from the highest rank that makes the layer smaller to a twelfth of it"),
    Family.BITS: N_("bits of each weight"),
}


def degree_said(point: ScanPoint) -> str:
    """A degree in words: a share, a rank, or bits."""
    match point.family:
        case Family.PRUNE | Family.STRUCTURE:
            return percent(point.value, 1)
        case Family.RANK:
            return _("rank {rank:.0f}").format(rank=point.value)
        case Family.BITS:
            return _("{bits:.0f} bits").format(bits=point.value)


def sensitivity_curves(
    curves: Sequence[Curve], tried: DegreesTried = _NOT_KNOWN, *, dark: bool = False
) -> Drawn:
    """A line for each place of one family, those that hurt most in color; curves in that order.

    tried says where points stand whose curve is not measured as a whole.
    """
    colors, family = palette.ink(dark=dark), curves[0].family
    figure = go.Figure()
    names = safe_names([curve.place for curve in curves])
    for number, curve in reversed(list(enumerate(curves))):
        _add_curve(figure, curve, names[number], _at(curve, tried), number, colors.neutral)
    for border, level, sign in ((LOW_BELOW, Level.LOW, "&lt;"), (HIGH_FROM, Level.HIGH, "≥")):
        palette.rule(figure, at=border, upright=False, color=colors.muted, dash="dot")
        figure.add_annotation(
            x=1,
            xref="paper",
            xanchor="left",  # beside the curves, which run everywhere
            align="left",
            y=np.log10(border),  # what Plotly wants on an axis of logarithms
            yanchor="bottom" if border == HIGH_FROM else "top",
            text=f"{_(level.label)}<br>{sign} {border:g}",
            showarrow=False,
            font={"color": colors.muted, "size": 11},
        )
    points = [point for curve in curves for point in _known(curve)]
    figure.update_xaxes(title_text=_(_AXES[family]), **_ticks(family, points))
    figure.update_yaxes(title_text=_("KL divergence (nat)"))
    drawn = [value for curve in curves for name in ("value", "low", "high") for value in _drawn(curve, name)]
    log_axis(figure.update_yaxes, np.array([*drawn, LOW_BELOW, HIGH_FROM]))
    palette.style(
        figure,
        dark=dark,
        title=_title(curves[0], names[0]),
        subtitle=_("Bars: 95 % intervals; gray: places that hurt less than the seven in color"),
        legend=True,
        height=430,
    )
    figure.layout.margin.r = _BESIDE
    return Drawn(figure, _alternative(curves), scan_frame(curves))


def _known(curve: Curve) -> list[ScanPoint]:
    return [point for point in curve.points if point.is_measured]


def _at(curve: Curve, tried: DegreesTried) -> list[float]:
    """Where the points of a curve stand: at their value, ranks by their number."""
    measured = _known(curve)
    if curve.family is Family.RANK:
        own = _degrees(curve, tried)
        return [float(own.index(point.value) + 1) for point in measured]
    return [100 * p.value if curve.family is not Family.BITS else p.value for p in measured]


def _ticks(family: Family, points: Sequence[ScanPoint]) -> dict[str, object]:
    match family:
        case Family.BITS:
            return {"autorange": "reversed", "tickvals": sorted({point.value for point in points})}
        case Family.RANK:
            return {"dtick": 1}
        case Family.PRUNE | Family.STRUCTURE:
            return {"ticksuffix": " %"}


def _add_curve(
    figure: go.Figure, curve: Curve, name: str, at: Sequence[float], number: int, gray: str
) -> None:
    points = _known(curve)
    values, low, high = (_drawn(curve, name) for name in ("value", "low", "high"))
    color = palette.OKABE_ITO[number] if number < _NAMED else gray
    figure.add_trace(
        curve_with_intervals(
            np.array(at),
            values,
            low,
            high,
            color=color,
            symbol=_SYMBOLS[number % len(_SYMBOLS)],
            name=name,
            legendrank=number,
            showlegend=number < _NAMED,
            line={"color": color, "width": 2 if number < _NAMED else 1},
            customdata=np.array([_hovered(point) for point in points]),
            hovertemplate=hover(*_hover_lines(), heading=name),
        )
    )


def _drawn(curve: Curve, bound: str) -> Floats:
    """The divergence of the measured points [n] as it is drawn; NaN where there is no interval."""
    found: Floats = np.maximum(_kl(_known(curve), bound), FLOOR)
    return found


def _kl(points: Sequence[ScanPoint], bound: str) -> np.ndarray:
    found = (getattr(point.kl, bound) for point in points)
    return np.array([np.nan if value is None else value for value in found], np.float64)


def _hovered(point: ScanPoint) -> list[str]:
    if point.kl.value is None:
        return [degree_said(point) if point.steps else "–", _("not measured"), _("not measured"), "–"]
    change = point.accuracy_change.value
    said = _("not measured") if change is None else _("{points:+.2f} points").format(points=change)
    return [degree_said(point), f"{point.kl.value:.2g} nat", said, f"{point.kl.n:,}"]


def _title(worst: Curve, name: str) -> str:
    middle = middle_of(worst)
    if middle is None:
        return _("Nothing is measured yet")
    return _("{place} hurts most: {kl:.2g} nat at {degree}").format(
        place=name, kl=middle.kl.value, degree=degree_said(middle)
    )


def _alternative(curves: Sequence[Curve]) -> str:
    told = []
    names = shortened_apart([curve.place for curve in curves[:_NAMED]])
    for curve, name in zip(curves, names, strict=False):
        middle = middle_of(curve)
        if middle is not None and middle.kl.value is not None:
            word = _(level_of(middle.kl.value).label)
            told.append(f"{name} {middle.kl.value:.2g} ({word})")
    return _("KL divergence in nats at the middle degree, the worst first: {places}.").format(
        places="; ".join(told)
    )


def sensitivity_map(
    curves: Sequence[Curve], tried: DegreesTried = _NOT_KNOWN, *, dark: bool = False
) -> Drawn:
    """A cell for each place and degree of one family, by its divergence; the worst place on top.

    tried says where points stand whose curve is not measured as a whole.
    """
    shown = curves[:_ROWS]
    columns = _columns(shown, tried)
    placed = [_placed(curve, columns, tried) for curve in shown]
    figure = go.Figure(
        go.Heatmap(
            z=_logarithms(placed, columns),
            x=np.arange(1, len(columns) + 1),
            y=np.arange(len(shown)),
            colorscale=palette.sequential(dark=dark),
            zmin=_POWERS[0],
            zmax=_POWERS[-1],
            xgap=1,
            ygap=1,
            customdata=_cells(shown, placed, columns),
            hovertemplate=hover(*_hover_lines(), heading="%{customdata[4]}"),
            colorbar=palette.color_bar(_("KL (nat)"), tickvals=_POWERS, ticktext=_POWERS_SAID),
        )
    )
    figure.update_yaxes(
        autorange="reversed",
        tickvals=np.arange(len(shown)),
        ticktext=safe_names([curve.place for curve in shown]),
    )
    figure.update_xaxes(**_column_names(shown[0].family, columns))
    palette.gray_where_nothing_is(figure, dark=dark)
    said = _("Low below 0.01 nat, high from 0.1 nat on; gray: not measured")
    palette.style(
        figure,
        dark=dark,
        title=_("Places by degrees, the {n} that hurt most").format(n=len(shown)),
        subtitle=said,
        legend=False,
        height=_AROUND + max(_ROW * len(shown), _COLOR_BAR),
    )
    return Drawn(figure, _alternative(curves), scan_frame(curves))


def _columns(curves: Sequence[Curve], tried: DegreesTried) -> Sequence[float | None]:
    """Where the knob stands in each column, from the mildest; None where that differs from place to place.

    Shares of weights and bits are the same everywhere; those of channels and ranks follow from how many
    there are.
    """
    family, degrees = curves[0].family, [_degrees(curve, tried) for curve in curves]
    most = max(1, *map(len, degrees))
    values = {value for own in degrees for value in own}
    if values and (family in {Family.PRUNE, Family.BITS} or len(values) <= most):
        return sorted(values, reverse=family in {Family.RANK, Family.BITS})
    return [None] * most


def _tried(curve: Curve) -> list[ScanPoint]:
    """The points of a curve that have a degree: of a locked place nothing was tried."""
    return [point for point in curve.points if point.steps or point.is_measured]


def _degrees(curve: Curve, tried: DegreesTried) -> list[float]:
    """Where the knob stands on a place, from the mildest: what a scan tries, and what was tried beside it."""
    found = {*tried.get(curve.place, ()), *(point.value for point in _tried(curve))}
    return sorted(found, reverse=curve.family in {Family.RANK, Family.BITS})


def _column_names(family: Family, columns: Sequence[float | None]) -> dict[str, Any]:
    said = [_value_said(family, value) for value in columns if value is not None]
    if len(said) < len(columns):
        return {"title_text": _("degree of each place, from the mildest to the hardest"), "dtick": 1}
    title = _("rank") if family is Family.RANK else _(_AXES[family])
    return {"title_text": title, "tickvals": np.arange(1, len(said) + 1), "ticktext": said}


def _value_said(family: Family, value: float) -> str:
    return f"{value:.0f}" if family in {Family.RANK, Family.BITS} else percent(value, 1)


def _placed(curve: Curve, columns: Sequence[float | None], tried: DegreesTried) -> Mapping[int, ScanPoint]:
    """The points of a curve by their column; none where nobody knows how many of them are missing."""
    if None not in columns:
        return {columns.index(point.value): point for point in _tried(curve)}
    own = _degrees(curve, tried)
    if curve.place not in tried and len(own) < len(columns):
        return {}
    return {own.index(point.value): point for point in _tried(curve)}


def _logarithms(placed: Sequence[Mapping[int, ScanPoint]], columns: Sequence[float | None]) -> np.ndarray:
    """Logarithms of the divergence [places, columns]; NaN where none was measured."""
    found = np.full((len(placed), len(columns)), np.nan)
    for row, points in enumerate(placed):
        found[row, list(points)] = np.log10(np.maximum(_kl([*points.values()], "value"), FLOOR))
    return found


def _cells(
    curves: Sequence[Curve], placed: Sequence[Mapping[int, ScanPoint]], columns: Sequence[float | None]
) -> np.ndarray:
    """What is said of each cell [places, columns, 5]: degree, KL, accuracy, items, place."""
    told = np.full((len(curves), len(columns), 5), "–", dtype=object)
    told[:, :, 4] = np.array(safe_names([curve.place for curve in curves]), dtype=object)[:, None]
    for row, points in enumerate(placed):
        told[row, :, 1:3] = _("not measured")
        for column, point in points.items():
            told[row, column, :4] = _hovered(point)
    return told


def _hover_lines() -> tuple[tuple[str, str], ...]:
    labels = (_("degree"), _("KL divergence"), _("accuracy change"), _("items"))
    return tuple((label, f"%{{customdata[{number}]}}") for number, label in enumerate(labels))
