"""All models over several measures at once: a line for each model, better is always up, ranges to brush."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compress_core.numerics.arrays import Bools, Floats
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.measures import Measure, values_of
from dashboard.figures.palette import Ink
from dashboard.figures.words import counted_models, safe
from dashboard.text import _

HEIGHT, HALF_BRUSH = 400, 0.06
MOST_LINES = 400


@dataclass(frozen=True)
class Brush:
    """The part of a measure's axis that models must lie in, from 0 at the worst to 1 at the best."""

    measure: str
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Axes:
    """The axes of some measures over all models: worst [m] at the foot, best [m] on top.

    heights [n, m] from 0 to 1; NaN where a model has no such number.
    """

    measures: tuple[Measure, ...]
    worst: Floats
    best: Floats
    heights: Floats

    def value(self, place: int, height: float) -> float:
        """What a height on an axis stands for."""
        return float(self.worst[place] + height * (self.best[place] - self.worst[place]))

    def within(self, brushes: Sequence[Brush]) -> Bools:
        """The models that every brush lets through [n]; one that has no such number is not let through."""
        names = [measure.name for measure in self.measures]
        inside: Bools = np.ones(len(self.heights), dtype=np.bool_)
        for brush in brushes:
            if brush.measure in names:
                height = self.heights[:, names.index(brush.measure)]
                inside &= (height >= brush.low - 1e-9) & (height <= brush.high + 1e-9)
        return inside


def axes_of(models: pd.DataFrame, measures: Sequence[Measure]) -> Axes:
    """The axes of measures which at least one model has."""
    values = values_of(measures, models)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    is_higher = np.array([measure.direction == "higher" for measure in measures])
    worst, best = np.where(is_higher, low, high), np.where(is_higher, high, low)
    spread = np.where(best == worst, 1.0, best - worst)
    heights: Floats = np.where(best == worst, 0.5 + 0 * values, (values - worst) / spread)
    return Axes(tuple(measures), worst, best, heights)


def brushes_of(box: Mapping[str, Sequence[float]], axes: Axes) -> tuple[Brush, ...]:
    """The brushes that a box drawn over the figure means: one for each axis that it crosses."""
    left, right = sorted(box["x"])
    low, high = (float(np.clip(height, 0, 1)) for height in sorted(box["y"]))
    crossed = [measure for place, measure in enumerate(axes.measures) if left <= place <= right]
    return tuple(Brush(measure.name, low, high) for measure in crossed)


def parallel_coordinates(
    models: pd.DataFrame,
    axes: Axes,
    brushes: Sequence[Brush] = (),
    *,
    letters: Mapping[str, str] | None = None,
    dark: bool = False,
) -> Drawn:
    """A line for each model; those that the brushes leave out are pale. models: key, label."""
    colors = palette.ink(dark=dark)
    inside = axes.within(brushes)
    picked = models["key"].isin(list(letters or {})).to_numpy(np.bool_)
    figure = go.Figure()
    for name, chosen, color, width in (
        (_("left out"), ~inside & ~picked, colors.neutral, 1.0),
        (_("within"), inside & ~picked, colors.before, 1.6),
        (_("picked"), picked, colors.after, 2.6),
    ):
        _add_lines(figure, axes.heights[chosen][:MOST_LINES], name, color, width)
    for place in range(len(axes.measures)):
        _add_axis(figure, axes, place, brushes, colors)
    figure.update_xaxes(visible=False, range=[-0.45, len(axes.measures) - 0.55], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-0.16, 1.2], fixedrange=True)
    figure.update_layout(dragmode="select", hovermode=False)
    palette.style(
        figure,
        dark=dark,
        title=_title(inside, brushes),
        subtitle=_(
            "Up is better on every axis; draw a box over an axis to keep the models that cross it there"
        ),
        legend=True,
        height=HEIGHT,
    )
    return Drawn(figure, _alternative(axes, inside), _table(models, axes, inside))


def _add_lines(figure: go.Figure, heights: Floats, name: str, color: str, width: float) -> None:
    """Lines of several models in one trace, apart by a gap."""
    if not len(heights):
        return
    count, places = heights.shape
    gaps = np.full((count, 1), np.nan)
    x = np.hstack([np.tile(np.arange(places, dtype=np.float64), (count, 1)), gaps])
    figure.add_trace(
        go.Scatter(
            x=x.ravel(),
            y=np.hstack([heights, gaps]).ravel(),
            mode="lines+markers",
            line={"color": color, "width": width},
            marker={"color": color, "size": 5},
            selected={"marker": {"opacity": 1.0}},
            unselected={"marker": {"opacity": 1.0}},
            name=f"{name} ({count:,})",
            hoverinfo="skip",
        )
    )


def _add_axis(figure: go.Figure, axes: Axes, place: int, brushes: Sequence[Brush], colors: Ink) -> None:
    """An upright line with its title on top, worst and best at its ends, and what is brushed."""
    measure = axes.measures[place]
    figure.add_shape(
        type="line", x0=place, x1=place, y0=0, y1=1, line={"color": colors.muted, "width": 1.4}, layer="below"
    )
    for brush in brushes:
        if brush.measure == measure.name:
            figure.add_shape(
                type="rect",
                x0=place - HALF_BRUSH,
                x1=place + HALF_BRUSH,
                y0=brush.low,
                y1=brush.high,
                line={"color": colors.gain, "width": 2},
                fillcolor=colors.gain,
                opacity=0.25,
            )
    for height, text, side in (
        (0.0, measure.said(axes.value(place, 0.0)), "top"),
        (1.0, measure.said(axes.value(place, 1.0)), "bottom"),
    ):
        figure.add_annotation(
            x=place, y=height, text=safe(text), showarrow=False, yanchor=side, font={"color": colors.muted}
        )
    figure.add_annotation(
        x=place, y=1.17, text=f"<b>{safe(_(measure.title), 26)}</b>", showarrow=False, yanchor="middle"
    )


def _title(inside: Bools, brushes: Sequence[Brush]) -> str:
    if not brushes:
        return _("{models}, every measure at once").format(models=counted_models(len(inside)))
    return _("Within what is brushed: {within:,} of {models}").format(
        within=int(inside.sum()), models=counted_models(len(inside))
    )


def _alternative(axes: Axes, inside: Bools) -> str:
    told = ", ".join(
        _("{measure} from {worst} to {best}").format(
            measure=_(measure.title),
            worst=measure.said(axes.value(place, 0)),
            best=measure.said(axes.value(place, 1)),
        )
        for place, measure in enumerate(axes.measures)
    )
    return _("A line for each of {models}, {within:,} within the brushes: {measures}.").format(
        models=counted_models(len(inside)), within=int(inside.sum()), measures=told
    )


def _table(models: pd.DataFrame, axes: Axes, inside: Bools) -> pd.DataFrame:
    values = values_of(axes.measures, models)
    columns = {
        f"{measure.name} ({measure.drawing.unit})": values[:, place]
        for place, measure in enumerate(axes.measures)
    }
    return pd.DataFrame(
        {"key": models["key"].to_numpy(), "label": models["label"].to_numpy(), **columns, "within": inside}
    )
