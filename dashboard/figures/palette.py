"""Colors that everybody can tell apart, and one style for light and dark pages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import get_colorscale, sample_colorscale

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#F0E442")
CLEAR = "rgba(0,0,0,0)"
SEQUENTIAL, SEQUENTIAL_ON_DARK = "Cividis", "Viridis"
DIVERGING = "PuOr"
FIRST_ON_DARK = 0.35  # below, viridis is as dark as a dark page
ORANGE_TO_PURPLE_ON_DARK = ("#ffb04f", "#a8641f", "#1f2630", "#7566ad", "#cfc0ff")
SCALE_STEPS = 32
FONT = '"Source Sans", "Source Sans 3", "Source Sans Pro", "Noto Sans", "Noto Sans CJK SC", sans-serif'
TITLE_SIZE, TEXT_SIZE = 16, 13
SECOND_LINE = 18  # Plotly hangs a title by its last line
SIDE, FOOT, TITLE_LINE, SUBTITLE_LINE, LEGEND_LINE = 16, 52, 42, 22, 28


@dataclass(frozen=True)
class Ink:
    """The colors that depend on the page: text and lines, and one color for each role."""

    text: str
    muted: str
    grid: str
    surface: str
    page: str
    before: str
    after: str
    neutral: str
    zero: str
    loss: str
    gain: str


LIGHT = Ink(
    text="#1f2933",
    muted="#5b6675",
    grid="rgba(31,41,51,0.12)",
    surface="#ffffff",
    page="#ffffff",
    before="#0072B2",
    after="#D55E00",
    neutral="#c4cad3",
    zero="#CC79A7",
    loss="#D55E00",
    gain="#009E73",
)
DARK = Ink(
    text="#e8ebf0",
    muted="#a3adba",
    grid="rgba(232,235,240,0.14)",
    surface="#1b212c",
    page="#11171d",
    before="#56B4E9",
    after="#E69F00",
    neutral="#4b5563",
    zero="#CC79A7",
    loss="#E69F00",
    gain="#2fc49b",
)


def ink(*, dark: bool) -> Ink:
    """The colors for a light or a dark page."""
    return DARK if dark else LIGHT


ColorScale = list[tuple[float, str]]


def sequential(*, dark: bool) -> ColorScale:
    """From little to much: cividis; on a dark page viridis, without the part that is as dark as the page.

    What is left of cividis there begins with gray, which is what stands for nothing measured.
    """
    return _scale(SEQUENTIAL_ON_DARK, FIRST_ON_DARK) if dark else _scale(SEQUENTIAL, 0.0)


def diverging(*, dark: bool) -> ColorScale:
    """Orange, the page's own brightness for zero, purple: what is zero neither glares nor gets lost."""
    if dark:
        places = np.linspace(0, 1, len(ORANGE_TO_PURPLE_ON_DARK)).tolist()
        return list(zip(places, ORANGE_TO_PURPLE_ON_DARK, strict=True))
    return _scale(DIVERGING, 0.0)


@cache
def _scale(name: str, first: float) -> ColorScale:
    places = np.linspace(0, 1, SCALE_STEPS + 1)
    colors = sample_colorscale(get_colorscale(name), (first + (1 - first) * places).tolist())
    return list(zip(places.tolist(), colors, strict=True))


def colors_at(scale: ColorScale, shares: NDArray[Any]) -> list[str]:
    """The colors that a scale gives to shares from 0 to 1."""
    return list(sample_colorscale([list(step) for step in scale], np.clip(shares, 0, 1).tolist()))


def style(
    figure: go.Figure, *, dark: bool, title: str, subtitle: str = "", legend: bool = False, height: int = 380
) -> go.Figure:
    """Give a figure its title, fonts, margins and lines; the background stays the page's own.

    height in pixels; a legend stands at the foot. Show it with theme=None. Axes keep what was set for them,
    before or after. Changes and returns the figure.
    """
    colors = ink(dark=dark)
    layout = figure.layout  # assigned one by one: update_layout takes five times as long
    layout.template = _template(colors)
    layout.title = _title(title, subtitle, colors)
    layout.margin = {"l": SIDE, "r": SIDE + 8, "t": TITLE_LINE + SUBTITLE_LINE * bool(subtitle), "b": FOOT}
    layout.height = height + LEGEND_LINE * legend
    layout.showlegend = legend
    return figure


def gray_where_nothing_is(figure: go.Figure, *, dark: bool) -> None:
    """The ground of maps with blank cells: they are told from the darkest color, on a dark page as well."""
    maps = (trace.z for trace in figure.data if isinstance(trace, go.Heatmap))
    if any(np.isnan(np.asarray(values, np.float64)).any() for values in maps):
        figure.layout.plot_bgcolor = ink(dark=dark).neutral


def rule(figure: go.Figure, *, at: float, upright: bool, color: str, dash: str = "solid") -> None:
    """A thin line across the first panel, upright at a value of x or level at a value of y."""
    ends = (
        {"x0": at, "x1": at, "y0": 0, "y1": 1, "xref": "x", "yref": "y domain"}
        if upright
        else {"y0": at, "y1": at, "x0": 0, "x1": 1, "xref": "x domain", "yref": "y"}
    )
    figure.add_shape(type="line", line={"color": color, "width": 1.2, "dash": dash}, **ends)


@cache
def _template(colors: Ink) -> go.layout.Template:
    """All that is the same for every figure, built once for light and once for dark."""
    line = {"gridcolor": colors.grid, "linecolor": colors.muted, "tickcolor": colors.muted}
    heading = {"title": {"standoff": 8, "font": {"size": TEXT_SIZE}}}
    axis = {**line, **heading, "zeroline": False, "automargin": True, "ticklen": 4, "separatethousands": True}
    return go.layout.Template(
        layout={
            "paper_bgcolor": CLEAR,
            "plot_bgcolor": CLEAR,
            "font": {"family": FONT, "size": TEXT_SIZE, "color": colors.text},
            "hoverlabel": _hover_label(colors),
            "legend": _legend(),
            "xaxis": {**axis, "showline": True, "ticks": "outside"},
            "yaxis": {**axis, "showline": False, "ticks": ""},
        }
    )


def _title(title: str, subtitle: str, colors: Ink) -> dict[str, Any]:
    """Both lines in one text: Plotly's own subtitle moves with the height of the plot."""
    second = f"<br><span style='font-size:{TEXT_SIZE}px;color:{colors.muted}'>{subtitle}</span>"
    return {
        "text": f"<b>{title}</b>" + second * bool(subtitle),
        "font": {"size": TITLE_SIZE, "color": colors.text},
        "x": 0,
        "xref": "container",
        "xanchor": "left",
        "y": 1,
        "yref": "container",
        "yanchor": "top",
        "pad": {"t": 10 + SECOND_LINE * bool(subtitle), "l": 4},
    }


def _hover_label(colors: Ink) -> dict[str, Any]:
    font = {"family": FONT, "size": TEXT_SIZE, "color": colors.text}
    return {"bgcolor": colors.surface, "bordercolor": colors.muted, "align": "left", "font": font}


def _legend() -> dict[str, Any]:
    return {
        "orientation": "h",
        "x": 0,
        "xref": "container",
        "xanchor": "left",
        "y": 0,
        "yref": "container",
        "yanchor": "bottom",
        "bgcolor": CLEAR,
        "traceorder": "normal",
    }


def color_bar(title: str, **more: object) -> dict[str, object]:
    """A slim color bar at the right with its title along it."""
    heading = {"text": title, "side": "right", "font": {"size": TEXT_SIZE}}
    return {"title": heading, "thickness": 12, "outlinewidth": 0, "ticklen": 3, "len": 1, **more}


def centered(*values: NDArray[Any], quantile: float = 1.0) -> float:
    """The largest absolute value, or a quantile of them, so that a scale is symmetric about zero.

    NaN is passed over; 1 when there is nothing but zeros.
    """
    magnitudes = np.abs(np.concatenate([np.ravel(v).astype(np.float64) for v in values]))
    magnitudes = magnitudes[np.isfinite(magnitudes)]
    limit = float(np.quantile(magnitudes, quantile)) if magnitudes.size else 0.0
    return limit or (float(magnitudes.max()) if magnitudes.size and magnitudes.max() > 0 else 1.0)
