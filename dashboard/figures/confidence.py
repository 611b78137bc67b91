"""How sure the models are: reliability diagrams, and confidence before against after."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.palette import Ink
from dashboard.figures.words import hover, percent, whole
from dashboard.text import _


def reliability(
    bins: pd.DataFrame, *, ece_before: float | None = None, ece_after: float | None = None, dark: bool = False
) -> Drawn:
    """How often each model is right against how sure it said it was, side by side on the same axes.

    bins: model ("before", "after"), low, high, n, confidence, accuracy, accuracy_low, accuracy_high
    (shares); empty bins hold NaN, and so do intervals that are not there. ece: the calibration error as a
    share.
    """
    colors = palette.ink(dark=dark)
    titles = [_panel(_("Original"), ece_before), _panel(_("Compressed"), ece_after)]
    figure = make_subplots(
        2,
        2,
        shared_xaxes=True,
        shared_yaxes=True,
        row_heights=[0.76, 0.24],
        vertical_spacing=0.05,
        horizontal_spacing=0.09,
        subplot_titles=titles,
    )
    for column, (model, color) in enumerate((("before", colors.before), ("after", colors.after)), start=1):
        _add_model(figure, bins[bins["model"] == model], column, color, colors)
    _name_axes(figure, bins)
    palette.style(
        figure,
        dark=dark,
        title=_("Is a model right as often as it says?"),
        subtitle=_subtitle(told=_has_intervals(bins)),
        height=500,
    )
    figure.update_layout(barmode="overlay", bargap=0, margin_t=88)
    figure.update_annotations(font={"size": palette.TEXT_SIZE, "color": colors.text})
    table = bins.rename(columns={"model": "side"}).reset_index(drop=True)
    return Drawn(figure, _alternative(bins, ece_before, ece_after), table)


def _has_intervals(bins: pd.DataFrame) -> bool:
    """Whether the bins with items have one; where items hold several decisions none has."""
    return bool(bins.loc[bins["n"] > 0, "accuracy_low"].notna().all())


def _subtitle(*, told: bool) -> str:
    if told:
        return _("On the dotted line it is; gray: the gap; bars: 95 % intervals, each bin by itself")
    return _(
        "On the dotted line it is; gray: the gap; no intervals: the decisions of one item are not "
        "independent of one another"
    )


def _panel(name: str, ece: float | None) -> str:
    return (
        name if ece is None else _("{model}: calibration error {ece}").format(model=name, ece=percent(ece, 2))
    )


def _add_model(figure: go.Figure, bins: pd.DataFrame, column: int, color: str, colors: Ink) -> None:
    part = {name: bins[name].to_numpy(np.float64) for name in bins.columns.drop("model")}
    centers, widths = (part["low"] + part["high"]) / 2, (part["high"] - part["low"]) * 0.94
    gap = go.Bar(
        x=centers,
        y=part["confidence"] - part["accuracy"],
        base=part["accuracy"],
        width=widths,
        marker={"color": colors.neutral, "opacity": 0.75, "line": {"width": 0}},
        hoverinfo="skip",
    )
    figure.add_trace(gap, row=1, col=column)
    dots = _dots(part, color, colors, told=_has_intervals(bins))
    figure.add_trace(dots, row=1, col=column)
    line = {"color": colors.text, "width": 1.2, "dash": "dot"}
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line=line, row=1, col=column)
    share = part["n"] / max(float(part["n"].sum()), 1.0)
    counts = go.Bar(
        x=centers,
        y=share,
        width=widths,
        marker={"color": color, "line": {"width": 0}},
        customdata=part["n"],
        hovertemplate=hover((_("items"), "%{customdata:,d} (%{y:.1%})")),
    )
    figure.add_trace(counts, row=2, col=column)


def _dots(part: dict[str, np.ndarray], color: str, colors: Ink, *, told: bool) -> go.Scatter:
    """Accuracy at the mean confidence of each bin, with its interval where it is told."""
    accuracy = "%{y:.1%} [%{customdata[1]:.1%}, %{customdata[2]:.1%}]" if told else "%{y:.1%}"
    return go.Scatter(
        x=part["confidence"],
        y=part["accuracy"],
        mode="markers",
        marker={"color": color, "size": 8, "line": {"color": colors.surface, "width": 1}},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": part["accuracy_high"] - part["accuracy"],
            "arrayminus": part["accuracy"] - part["accuracy_low"],
            "color": color,
            "thickness": 1.6,
            "width": 3,
        },
        customdata=np.stack([part["n"], part["accuracy_low"], part["accuracy_high"]], axis=1),
        hovertemplate=hover(
            (_("confidence"), "%{x:.1%}"),
            (_("accuracy"), accuracy),
            (_("items"), "%{customdata[0]:,d}"),
        ),
    )


def _name_axes(figure: go.Figure, bins: pd.DataFrame) -> None:
    totals = bins.groupby("model")["n"].transform("sum").clip(lower=1)
    top = float((bins["n"] / totals).max()) if len(bins) else 1.0
    figure.update_xaxes(tickformat=".0%", range=[0, 1], dtick=0.2)
    figure.update_xaxes(title_text=_("confidence"), row=2)
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02], row=1)
    figure.update_yaxes(tickformat=".0%", range=[0, 1.05 * (top or 1.0)], nticks=3, row=2)
    figure.update_yaxes(title_text=_("accuracy"), row=1, col=1)
    figure.update_yaxes(title_text=_("items"), row=2, col=1)


def _alternative(bins: pd.DataFrame, before: float | None, after: float | None) -> str:
    said = []
    for name, model, ece in ((_("Original"), "before", before), (_("Compressed"), "after", after)):
        part = bins[(bins["model"] == model) & (bins["n"] > 0)]
        if part.empty:
            continue
        mean = (part[["confidence", "accuracy"]].mul(part["n"], axis=0)).sum() / part["n"].sum()
        said.append(
            _("{panel}: on average {confidence} sure and {accuracy} right over {n} items.").format(
                panel=_panel(name, ece),
                confidence=percent(mean["confidence"]),
                accuracy=percent(mean["accuracy"]),
                n=whole(part["n"].sum()),
            )
        )
    return " ".join(said) or _("There is no item to show.")


def confidence_drift(pairs: pd.DataFrame, *, dark: bool = False) -> Drawn:
    """How sure the two models are of the class predicted before: items below the diagonal got less sure.

    pairs: counts [before, after]; index and columns are the lower borders of equal bins of [0, 1].
    """
    counts = pairs.to_numpy()
    edges = np.append(pairs.index.to_numpy(np.float64), 1.0)
    figure = go.Figure(_drift_heatmap(counts, edges, dark=dark))
    line = {"color": palette.ink(dark=dark).text, "width": 1.2, "dash": "dot"}
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line=line)
    figure.update_xaxes(title_text=_("confidence before"), tickformat=".0%", range=[0, 1], constrain="domain")
    figure.update_yaxes(title_text=_("confidence after"), tickformat=".0%", range=[0, 1])
    figure.update_yaxes(scaleanchor="x", constrain="domain")
    palette.style(
        figure,
        dark=dark,
        title=_("Confidence before and after"),
        subtitle=_("In the class predicted before; below the diagonal: less sure"),
        height=460,
    )
    return Drawn(figure, _drift_alternative(counts, edges), _drift_table(counts, edges))


def _drift_heatmap(counts: NDArray[Any], edges: NDArray[np.float64], *, dark: bool) -> go.Heatmap:
    """On a log scale, for most items lie in one corner; x before, y after, empty cells stay empty."""
    z = np.log10(np.where(counts > 0, counts, np.nan)).T.astype(np.float32)
    powers = np.arange(0, int(np.ceil(np.log10(max(int(counts.max(initial=1)), 10)))) + 1)
    return go.Heatmap(
        z=z,
        x=edges,
        y=edges,
        customdata=counts.T,
        zmin=0,
        zmax=float(powers[-1]),
        colorscale=palette.sequential(dark=dark),
        colorbar=palette.color_bar(
            _("items (log scale)"), tickvals=powers, ticktext=[whole(10.0**p) for p in powers]
        ),
        hovertemplate=hover(
            (_("confidence before"), "%{x:.0%}"),
            (_("confidence after"), "%{y:.0%}"),
            (_("items"), "%{customdata:,d}"),
        ),
        hoverongaps=False,
    )


def _drift_table(counts: NDArray[Any], edges: NDArray[np.float64]) -> pd.DataFrame:
    before, after = np.nonzero(counts)
    return pd.DataFrame(
        {
            "confidence_before_from": edges[before],
            "confidence_after_from": edges[after],
            "count": counts[before, after],
        }
    )


def _drift_alternative(counts: NDArray[Any], edges: NDArray[np.float64]) -> str:
    total = max(int(counts.sum()), 1)
    before, after = np.indices(counts.shape)
    less, more = int(counts[after < before].sum()), int(counts[after > before].sum())
    return _(
        "Of {total} items {less} became less sure by at least one bin of {width} and {more} more sure."
    ).format(
        total=whole(int(counts.sum())),
        less=percent(less / total),
        width=percent(float(edges[1] - edges[0]), 0),
        more=percent(more / total),
    )
