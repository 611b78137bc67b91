"""What somebody predicted, beside what came out: one curve over the places of a knob."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compress_core.numerics.arrays import Floats
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.interval_bars import curve_with_intervals
from dashboard.figures.words import hover, safe
from dashboard.text import _

TICKS = 4
LEFT, BELOW = 72, 88
"""Pixels beside and below the plot, enough for the texts there: where they are not, Plotly draws it twice."""


@dataclass(frozen=True, eq=False)
class MeasuredCurve:
    """A quantity at every place of a knob, as it is written: values, low and high [places].

    unit: stands at the axis; empty for a count, whose name stands there.
    Places stand side by side under their texts, as far apart as in the list and not on a scale.
    """

    quantity: str
    unit: str
    knob: str
    places: Sequence[str]
    values: Floats
    low: Floats
    high: Floats


def predicted_outcome(
    curve: MeasuredCurve,
    *,
    asked: int,
    predicted: float | None,
    whose: str,
    here: int,
    title: str,
    dark: bool = False,
) -> Drawn:
    """The curve, with the prediction over the place that was asked for, and a ring where the knob stands.

    asked, here: rows of the curve. predicted: None where nobody did, whose: what it is called. title: the
    distance in words.
    """
    colors = palette.ink(dark=dark)
    at = np.arange(len(curve.places), dtype=np.float64)
    figure = go.Figure()
    unit = (safe(curve.quantity), "%{y:,.6~g}")
    outcome = curve_with_intervals(
        at, curve.values, curve.low, curve.high, color=colors.after, symbol="circle", name=_("what came out")
    )
    figure.add_trace(outcome.update(hovertemplate=hover((safe(curve.knob), "%{x}"), unit)))
    if predicted is not None:
        _add_prediction(figure, colors, at[asked], predicted, curve.values[asked], whose)
    figure.add_scatter(
        x=at[[here]],
        y=curve.values[[here]],
        mode="markers",
        name=_("where the knob stands"),
        marker={"symbol": "circle-open", "size": 16, "color": colors.text, "line": {"width": 2}},
        hoverinfo="skip",
    )
    layout = figure.layout  # assigned, not updated: that takes seven times as long
    layout.xaxis = {
        "title": {"text": safe(curve.knob)},
        "tickvals": at,
        "ticktext": [safe(place) for place in curve.places],
    }
    drawn = np.concatenate(
        [curve.values, curve.low, curve.high, [np.nan if predicted is None else predicted]]
    )
    layout.yaxis = {"title": {"text": safe(curve.unit or curve.quantity)}, **_even_ticks(drawn)}
    palette.style(figure, dark=dark, title=title, legend=True, height=265)
    layout.margin.update(l=LEFT, b=BELOW)
    table = pd.DataFrame(
        {"place": list(curve.places), "value": curve.values, "low": curve.low, "high": curve.high}
    )
    table["predicted"] = np.where(at == asked, np.nan if predicted is None else predicted, np.nan)
    return Drawn(figure, f"{title} {_alternative(curve)}", table)


def _even_ticks(drawn: Floats) -> dict[str, object]:
    """Ticks that are all written alike: by itself Plotly sets 1042 below 1,041.5 and 300k.

    drawn: all that the axis has to hold, of which some is a number. What never changes gets room around it.
    """
    low, high = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    room = high - low or 0.2 * abs(high) or 1.0
    power = 10.0 ** np.floor(np.log10(room / TICKS))
    step = round(power * next(factor for factor in (1, 2, 5, 10) if factor * power >= room / TICKS), 12)
    said: dict[str, object] = {
        "dtick": step,
        "tickformat": f",.{max(0, -int(np.floor(np.log10(step))))}f",
    }
    return said if high > low else {**said, "range": [low - room / 2, low + room / 2]}


def _add_prediction(
    figure: go.Figure, colors: palette.Ink, at: float, predicted: float, outcome: float, whose: str
) -> None:
    """The prediction over its place, and a line from there to what came out."""
    figure.add_scatter(
        x=np.array([at, at]),
        y=np.array([predicted, outcome]),
        mode="lines",
        line={"color": colors.muted, "width": 2, "dash": "dot"},
        showlegend=False,
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=np.array([at]),
        y=np.array([predicted]),
        mode="markers",
        name=whose,
        marker={"symbol": "diamond", "size": 13, "color": colors.before},
        hovertemplate=hover((whose, "%{y:,.6~g}")),
    )


def _alternative(curve: MeasuredCurve) -> str:
    said = ", ".join(
        f"{place}: {round(value, 2):,.10g}" for place, value in zip(curve.places, curve.values, strict=True)
    )
    return _("{quantity} at each place: {said}.").format(quantity=curve.quantity, said=said)
