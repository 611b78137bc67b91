"""How alike the maps of two models are, beside what noise and what chance would give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from compress_core.foundation.number import fixed
from compress_core.measure.explain.random_floor import chance_of
from compress_core.numerics.arrays import Floats
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.palette import Ink
from dashboard.figures.words import hover, whole
from dashboard.text import _

MEASURES = ("spearman", "top_5", "top_10", "ssim", "cosine")
MOST_POINTS = 150
FEW = 5
GOLDEN = 0.6180339887
HALF_SLOT = 0.44
WIDTH = 0.22


def measure_names() -> Mapping[str, str]:
    """The name of each measure in the visitor's language."""
    return MappingProxyType(
        {
            "spearman": _("Rank correlation"),
            "top_5": _("Top 5 % shared"),
            "top_10": _("Top 10 % shared"),
            "ssim": _("Structure (SSIM)"),
            "cosine": _("Cosine"),
        }
    )


def similarity_summary(
    items: pd.DataFrame, noise: pd.DataFrame, random: pd.DataFrame, *, dark: bool = False
) -> Drawn:
    """How alike the maps are for all items, kept and flipped predictions, beside a ceiling and a floor.

    items: a column for each measure (NaN: not measured), and flipped (bool) where classes are predicted;
    noise, random: the same measures of the original's own map under tiny input noise and of networks with
    shuffled weights, each in a draw of its own: the median of their medians is drawn with its range.
    Boxes: quartiles, whiskers from 5 to 95 %; a group of fewer than five items is drawn as points only.
    """
    names = measure_names()
    measures = [name for name in MEASURES if name in items]
    colors = palette.ink(dark=dark)
    groups = _groups(items, colors)
    figure = go.Figure()
    for place, (label, frame, color) in enumerate(groups):
        offset = (place - (len(groups) - 1) / 2) * 0.27
        _add_boxes(figure, frame, measures, offset=offset, label=label, color=color)
        _add_points(figure, frame, measures, offset=offset, color=color)
    _add_bound(figure, noise, measures, label=_("noise ceiling (median)"), dash="dash", colors=colors)
    _add_bound(figure, random, measures, label=_("random floor (median)"), dash="dot", colors=colors)
    figure.update_xaxes(
        tickvals=np.arange(len(measures)),
        ticktext=[names[m] for m in measures],
        range=[-0.5, len(measures) - 0.5],
        showgrid=False,
    )
    figure.update_yaxes(
        title_text=_("similarity (1 = the same map)"), range=_value_range(items, noise, random, measures)
    )
    palette.style(
        figure,
        dark=dark,
        title=_("How alike the maps are before and after"),
        subtitle=_("Near the dashed line: as alike as under noise; near the dotted one: as chance"),
        legend=True,
        height=460,
    )
    table = _table(groups, {"noise ceiling": noise, "random floor": random}, measures)
    return Drawn(figure, _alternative(table, names), table)


def _groups(items: pd.DataFrame, colors: Ink) -> list[tuple[str, pd.DataFrame, str]]:
    if "flipped" not in items:
        return [(_("all"), items, colors.before)]
    flipped = items["flipped"].astype(bool)
    return [
        (_("all"), items, colors.muted),
        (_("prediction kept"), items[~flipped], colors.before),
        (_("prediction flipped"), items[flipped], colors.after),
    ]


def _measured(frame: pd.DataFrame, measure: str) -> Floats:
    values = frame[measure].to_numpy(np.float64)
    finite: Floats = values[np.isfinite(values)]
    return finite


def _add_boxes(
    figure: go.Figure, frame: pd.DataFrame, measures: list[str], *, offset: float, label: str, color: str
) -> None:
    """Boxes from five numbers each, so that no raw value travels."""
    found = {i: _measured(frame, m) for i, m in enumerate(measures)}
    enough = [i for i, values in found.items() if len(values) >= FEW]
    numbers = np.array([np.quantile(found[i], [0.05, 0.25, 0.5, 0.75, 0.95]) for i in enough]).reshape(-1, 5)
    figure.add_trace(
        go.Box(
            x=np.array(enough) + offset,
            lowerfence=numbers[:, 0],
            q1=numbers[:, 1],
            median=numbers[:, 2],
            q3=numbers[:, 3],
            upperfence=numbers[:, 4],
            width=WIDTH,
            name=f"{label} (n = {whole(len(frame))})",
            line={"color": color, "width": 1.6},
            hoverinfo="y",
            legendgroup=label,
        )
    )


def _add_points(
    figure: go.Figure, frame: pd.DataFrame, measures: list[str], *, offset: float, color: str
) -> None:
    """The items as points, at most 150 evenly chosen for each measure, spread sideways without chance."""
    x: list[NDArray[Any]] = [np.empty(0)]
    y: list[NDArray[Any]] = [np.empty(0)]
    for place, measure in enumerate(measures):
        values = np.sort(_measured(frame, measure))
        chosen = values[np.linspace(0, len(values) - 1, min(len(values), MOST_POINTS)).round().astype(int)]
        spread = (np.arange(len(chosen)) * GOLDEN % 1 - 0.5) * WIDTH * 0.8
        x.append(place + offset + spread)
        y.append(chosen)
    figure.add_trace(
        go.Scatter(
            x=np.concatenate(x),
            y=_rounded(np.concatenate(y)),
            mode="markers",
            marker={"color": color, "size": 4, "opacity": 0.35},
            hovertemplate=hover((_("similarity"), "%{y:.3f}")),
            showlegend=False,
        )
    )


def _add_bound(
    figure: go.Figure, bound: pd.DataFrame, measures: list[str], *, label: str, dash: str, colors: Ink
) -> None:
    """One short line over the slot of each measure, before the range of its draws."""
    draws = [part for _draw, part in bound.groupby("draw")] if "draw" in bound else [bound]
    each = np.array(
        [[_median(_measured(part, m)) if m in part else np.nan for m in measures] for part in draws]
    )
    medians = [_median(values[np.isfinite(values)]) for values in each.T]
    places = np.arange(len(measures), dtype=np.float64)
    gap = np.full(len(measures), np.nan)
    if len(draws) > 1:
        _add_range(figure, np.fmin.reduce(each), np.fmax.reduce(each), len(draws), colors)
    figure.add_trace(
        go.Scatter(
            x=np.stack([places - HALF_SLOT, places + HALF_SLOT, gap], axis=1).ravel(),
            y=_rounded(np.repeat(np.array(medians), 3)),
            mode="lines",
            line={"color": colors.text, "width": 1.8, "dash": dash},
            name=label,
            hovertemplate=hover((label, "%{y:.3f}")),
        )
    )


def _add_range(figure: go.Figure, low: Floats, high: Floats, draws: int, colors: Ink) -> None:
    """A band behind the line of each measure, as wide as that: a stroke at its end looked like a slip.

    low, high [measures]; NaN where no draw was measured.
    """
    name = _("range of {draws} draws").format(draws=draws)
    sides = np.array([-HALF_SLOT, HALF_SLOT, HALF_SLOT, -HALF_SLOT, -HALF_SLOT, np.nan])
    known = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    heights = [(low[m], low[m], high[m], high[m], low[m], np.nan) for m in known]
    figure.add_trace(
        go.Scatter(
            x=np.array([m + sides for m in known]).ravel(),
            y=_rounded(np.array(heights).ravel()),
            mode="lines",
            line={"width": 0},
            fill="toself",
            fillcolor=colors.muted,
            opacity=0.35,
            name=name,
            hovertemplate=hover((name, "%{y:.3f}")),
            showlegend=not any(trace.name == name for trace in figure.data),
        )
    )


def _rounded(values: NDArray[Any]) -> NDArray[Any]:
    """As the hover shows them, without a minus before a zero."""
    rounded: NDArray[Any] = np.round(values, 3) + 0.0
    return rounded


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _value_range(
    items: pd.DataFrame, noise: pd.DataFrame, random: pd.DataFrame, measures: list[str]
) -> list[float]:
    """From the lowest value, or zero, to one."""
    lowest = [_measured(f, m).min(initial=0.0) for f in (items, noise, random) for m in measures if m in f]
    return [min([0.0, *lowest]) - 0.05, 1.05]


def _table(
    groups: list[tuple[str, pd.DataFrame, str]], bounds: Mapping[str, pd.DataFrame], measures: list[str]
) -> pd.DataFrame:
    """One row for each measure and group, ceiling and floor last."""
    names = ("all", "kept", "flipped")[: len(groups)]
    frames = dict(zip(names, (frame for _label, frame, _color in groups), strict=True))
    rows = [
        _quartiles(measure, group, _measured(frame, measure), len(frame)) | _over_draws(frame, measure)
        for measure in measures
        for group, frame in {**frames, **bounds}.items()
        if measure in frame
    ]
    return pd.DataFrame(rows)


def _over_draws(frame: pd.DataFrame, measure: str) -> dict[str, object]:
    """Of several draws the number that stands everywhere: the median of their medians, with its n."""
    if "draw" not in frame:
        return {}
    chance = chance_of(frame, measure)
    return {"median": chance.median, "n": chance.n, "not_measured": chance.not_measured}


def _quartiles(measure: str, group: str, values: Floats, items: int) -> dict[str, object]:
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75]) if len(values) else (np.nan,) * 3
    return {
        "measure": measure,
        "group": group,
        "low_quartile": low,
        "median": median,
        "high_quartile": high,
        "n": len(values),
        "not_measured": items - len(values),
    }


def _alternative(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Medians of the first measure; of a missing group nothing is said."""
    if table.empty:
        return _("There is no item to show.")
    measure = table["measure"].iloc[0]
    medians = table[table["measure"] == measure].set_index("group")["median"]
    parts: tuple[tuple[str, Callable[[], str]], ...] = (
        ("all", lambda: _("all items {median}")),
        ("kept", lambda: _("kept predictions {median}")),
        ("flipped", lambda: _("flipped predictions {median}")),
        ("noise ceiling", lambda: _("noise ceiling {median}")),
        ("random floor", lambda: _("random floor {median}")),
    )
    said = [
        text().format(median=fixed(medians[g])) for g, text in parts if np.isfinite(medians.get(g, np.nan))
    ]
    return _("{measure}, median: {parts}.").format(measure=names[measure], parts=", ".join(said))
