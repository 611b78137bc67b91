"""What broke first: every measure over one knob that was turned over all layers, each knee marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compress_core.foundation.number import fixed
from compress_core.foundation.texts import N_
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.interval_bars import curve_with_intervals
from dashboard.figures.palette import Ink
from dashboard.figures.words import hover, percent
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.decide.swept import Sweep

HEIGHT = 440
TITLES: Mapping[str, str] = MappingProxyType(
    {
        "accuracy": N_("Accuracy"),
        "worst_class": N_("Lowest accuracy of a class"),
        "churn": N_("Flips"),
        "ece": N_("Calibration error (ECE)"),
        "error_growth": N_("Growth of the error"),
        "explained_variance": N_("R squared"),
        "cosine_to_original": N_("Cosine to the original"),
        "similarity": N_("Attribution similarity"),
    }
)
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "pentagon", "hexagon")
_KNOBS: Mapping[str, str] = MappingProxyType(
    {
        "sparsity": N_("share of weights removed in every layer"),
        "bits": N_("bits of every weight"),
        "rank_share": N_("share of the rank that stays in every layer"),
    }
)


def places_said(found: Sweep) -> list[str]:
    """Every place of the knob in words; the first is before it is turned."""
    return [_place(found.plan.knob, point.value) for point in found.points]


def _place(knob: str, value: float | None) -> str:
    if value is None:
        return _("before")
    return f"{value:.0f}" if knob == "bits" else percent(value, 0)


def what_broke(found: Sweep, *, is_over: bool = True, dark: bool = False) -> Drawn:
    """A line with intervals for each measure over the places of the knob; a star stands at its knee.

    is_over: all places were measured; before that there is no knee.
    """
    colors = palette.ink(dark=dark)
    figure = go.Figure()
    shown = [name for name in TITLES if np.isfinite(found.values(name)).any()]
    for number, name in enumerate(shown):
        _add_measure(figure, found, name, number, colors, with_knee=is_over)
    if is_over and any(found.knee(name) is not None for name in shown):
        _explain_stars(figure, colors)
    places = [_place(found.plan.knob, value) for value in (None, *found.plan.values)]
    figure.update_xaxes(
        title_text=_(_KNOBS[found.plan.knob]),
        tickvals=np.arange(len(places)),
        ticktext=places,
        range=[-0.3, len(places) - 0.7],
    )
    title = _("share (%); cosine, R squared and rank correlation x 100")
    figure.update_yaxes(title_text=title, rangemode="tozero")
    palette.style(
        figure,
        dark=dark,
        title=_title(found) if is_over else _so_far(found),
        subtitle=_(
            "Stars: knees, the last place before a measure falls away; bars: 95 % intervals; N = {n:,}"
        ).format(n=found.n)
        if is_over
        else _("Bars: 95 % intervals; N = {n:,}; knees are marked at the end").format(n=found.n),
        legend=True,
        height=HEIGHT,
    )
    return Drawn(figure, _alternative(found, shown), _table(found))


def _add_measure(
    figure: go.Figure, found: Sweep, name: str, number: int, colors: Ink, *, with_knee: bool
) -> None:
    values = 100 * found.values(name)
    low, high = 100 * found.values(name, "low"), 100 * found.values(name, "high")
    color, places = (
        palette.OKABE_ITO[number % len(palette.OKABE_ITO)],
        np.arange(len(values), dtype=np.float64),
    )
    knee = found.knee(name) if with_knee else None
    figure.add_trace(
        curve_with_intervals(
            places,
            values,
            low,
            high,
            color=color,
            symbol=_SYMBOLS[number],
            name=_(TITLES[name]),
            legendgroup=name,
            customdata=np.array(places_said(found)),
            hovertemplate=hover(
                (_("at"), "%{customdata}"), (_("value"), "%{y:.1f}"), heading=_(TITLES[name])
            ),
        )
    )
    if knee is not None:
        figure.add_trace(
            go.Scatter(
                x=np.array([knee]),
                y=values[[knee]],
                mode="markers",
                legendgroup=name,
                showlegend=False,
                marker={
                    "color": color,
                    "size": 17,
                    "symbol": "star",
                    "line": {"color": colors.text, "width": 1.2},
                },
                hovertemplate=hover((_("knee"), places_said(found)[knee]), heading=_(TITLES[name])),
            )
        )


def _explain_stars(figure: go.Figure, colors: Ink) -> None:
    """What a star means, in the legend; nothing is drawn for it."""
    figure.add_trace(
        go.Scatter(
            x=np.array([np.nan]),
            y=np.array([np.nan]),
            mode="markers",
            name=_("knee: it falls away from here on"),
            marker={"color": colors.muted, "size": 14, "symbol": "star"},
            hoverinfo="skip",
        )
    )


def listed(names: Sequence[str]) -> str:
    """Measures by their titles."""
    return ", ".join(_(TITLES[name]) for name in names)


def _title(found: Sweep) -> str:
    first = found.broken_first()
    if not first:
        return _("Nothing broke: no measure is surely worse anywhere")
    if len(first) == sum(found.first_worse(name) is not None for name in TITLES):
        return _("All that broke has its knee at {place}").format(
            place=places_said(found)[found.knee(first[0]) or 0]
        )
    return _("First to break, after {place}: {measures}").format(
        place=places_said(found)[found.knee(first[0]) or 0], measures=listed(first)
    )


def _so_far(found: Sweep) -> str:
    return _("{done} of {total} places are measured").format(
        done=len(found.points), total=1 + len(found.plan.values)
    )


def _alternative(found: Sweep, shown: Sequence[str]) -> str:
    places = places_said(found)
    told = []
    for name in shown:
        values, knee = 100 * found.values(name), found.knee(name)
        known = values[np.isfinite(values)]
        ends = f"{_(TITLES[name])} {fixed(known[0], 1)} → {fixed(known[-1], 1)}"
        told.append(
            ends if knee is None else _("{curve} (knee at {place})").format(curve=ends, place=places[knee])
        )
    return _("From {first} to {last}: {measures}.").format(
        first=places[0], last=places[-1], measures="; ".join(told)
    )


def _table(found: Sweep) -> pd.DataFrame:
    """A row for each place and measure, values as shares."""
    rows = [
        {
            "knob": found.plan.knob.value,
            "place": point.value,
            "measure": name,
            "value": number.value,
            "low": number.low,
            "high": number.high,
            "n": number.n,
            "surely_worse": name in point.is_worse,
            "is_knee": found.knee(name) == place,
            "file_bytes": point.file_bytes,
        }
        for place, point in enumerate(found.points)
        for name, number in point.numbers.items()
    ]
    return pd.DataFrame(rows)
