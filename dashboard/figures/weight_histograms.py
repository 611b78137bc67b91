"""What became of the weights of a layer: their values, the error of each channel, the spectrum."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from compress_core.numerics.arrays import Reals
from dashboard.figures import palette
from dashboard.figures.contrast import text_on
from dashboard.figures.drawn import Drawn
from dashboard.figures.palette import Ink
from dashboard.figures.words import hover, percent, safe, short, whole
from dashboard.text import _

Counts = NDArray[np.integer[Any]]
MOST_BARS = 256


class ZeroCounts(Protocol):
    """How many weights are at exactly zero, by what put them there; `EncodedWeight.zeros()` is one."""

    @property
    def pruned(self) -> int: ...
    @property
    def quantized(self) -> int: ...
    @property
    def original(self) -> int: ...
    @property
    def total(self) -> int: ...


def weight_histograms(
    layer: str,
    before_counts: Counts,
    after_counts: Counts,
    edges: Reals,
    zeros: ZeroCounts,
    *,
    threshold: float | None = None,
    levels: Reals | None = None,
    log_counts: bool = False,
    dark: bool = False,
) -> Drawn:
    """The weights of a layer before and after on the same bins; the zeros stand apart at the right.

    edges [bins + 1]; counts [bins] hold the weights that are not zero. threshold: the smallest magnitude
    kept; levels: the values that the quantizer can write.
    """
    colors = palette.ink(dark=dark)
    figure = make_subplots(1, 2, column_widths=[0.86, 0.14], horizontal_spacing=0.1)
    _add_counts(figure, before_counts, after_counts, edges, colors, log_counts=log_counts)
    _add_shares(figure, int(after_counts.sum()), zeros, colors)
    _mark_levels(figure, levels, colors)
    _mark_threshold(figure, threshold, colors)
    palette.style(
        figure,
        dark=dark,
        title=_("Weights of {layer} before and after").format(layer=safe(layer)),
        subtitle=_("Weights at exactly zero are left out of the bins and stand at the right"),
        legend=True,
        height=400,
    )
    figure.update_layout(bargap=0, barmode="overlay", hovermode="x")
    _name_histogram_axes(figure, before_counts, after_counts, log_counts=log_counts)
    return Drawn(
        figure,
        _histogram_alternative(layer, after_counts, zeros, threshold, levels),
        _histogram_table(before_counts, after_counts, edges, zeros),
    )


def _add_counts(
    figure: go.Figure, before: Counts, after: Counts, edges: Reals, colors: Ink, *, log_counts: bool
) -> None:
    """Filled bars for the original, an outline for the compressed weights."""
    carried = np.stack([edges[:-1], edges[1:], after], axis=1)
    bars = go.Bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=before,
        width=np.diff(edges),
        name=_("original"),
        marker={"color": colors.before, "opacity": 0.45, "line": {"width": 0}},
        customdata=carried,
        hovertemplate=hover(
            (_("original"), "%{y:,d}"),
            (_("compressed"), "%{customdata[2]:,d}"),
            heading="%{customdata[0]:.3g} … %{customdata[1]:.3g}",
        ),
    )
    floor = 0.5 if log_counts else 0.0
    outline = go.Scatter(
        x=edges,
        y=np.maximum(np.append(after, after[-1:]), floor),
        mode="lines",
        line={"shape": "hv", "color": colors.after, "width": 1.8},
        name=_("compressed"),
        hoverinfo="skip",
    )
    figure.add_traces([bars, outline], rows=[1, 1], cols=[1, 1])


def _add_shares(figure: go.Figure, kept: int, zeros: ZeroCounts, colors: Ink) -> None:
    """One column of 100 %: what is left, and what each kind of zero takes."""
    total = max(kept + zeros.total, 1)
    parts = (
        (_("not zero"), kept, colors.after),
        (_("zero before"), zeros.original, colors.before),
        (_("rounded to zero"), zeros.quantized, colors.zero),
        (_("pruned"), zeros.pruned, colors.neutral),
    )
    base = 0.0
    for name, count, color in parts:
        share = count / total
        bar = go.Bar(
            x=[0],
            y=[share],
            base=[base],
            width=[0.9],
            marker={"color": color, "line": {"width": 0}},
            text=[f"{name}<br>{percent(share)}" if share >= 0.12 else ""],
            textposition="inside",
            insidetextanchor="middle",
            insidetextfont={"color": text_on(color)},
            textangle=0,
            showlegend=False,
            hovertemplate=hover((name, f"{whole(count)} ({percent(share, 2)})")),
        )
        figure.add_trace(bar, row=1, col=2)
        base += share


def _mark_levels(figure: go.Figure, levels: Reals | None, colors: Ink) -> None:
    """A tick on the ground for every level of the quantizer."""
    if levels is None or not len(levels):
        return
    gap = np.full(len(levels), np.nan)
    figure.add_trace(
        go.Scatter(
            x=np.stack([levels, levels, gap], axis=1).ravel(),
            y=np.tile([0.0, 0.05, np.nan], len(levels)),
            yaxis="y3",
            mode="lines",
            line={"color": colors.text, "width": 1.2},
            name=_("levels ({count})").format(count=len(levels)),
            hoverinfo="skip",
        )
    )
    figure.update_layout(yaxis3={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})


def _mark_threshold(figure: go.Figure, threshold: float | None, colors: Ink) -> None:
    if threshold is None:
        return
    line = {"color": colors.text, "width": 1.2, "dash": "dash"}
    for side in (-threshold, threshold):
        figure.add_shape(type="line", x0=side, x1=side, y0=0, y1=1, xref="x", yref="y domain", line=line)
    figure.add_annotation(
        x=threshold,
        y=1,
        xref="x",
        yref="y domain",
        text=_("kept from ±{threshold}").format(threshold=short(threshold)),
        showarrow=False,
        xanchor="left",
        yanchor="top",
        xshift=5,
        bgcolor=colors.surface,
        opacity=0.85,
        font={"color": colors.text},
    )


def _name_histogram_axes(figure: go.Figure, before: Counts, after: Counts, *, log_counts: bool) -> None:
    top = float(max(before.max(initial=0), after.max(initial=0), 1))
    up: dict[str, object] = {"range": [0, top * 1.06]}
    if log_counts:
        up = {"type": "log", "range": [np.log10(0.5), np.log10(top * 1.6)], "dtick": 1}
    bare = {"showticklabels": False, "ticks": "", "showline": False, "showgrid": False}
    figure.layout.xaxis.update(title_text=_("value of the weight"), showgrid=False)
    figure.layout.yaxis.update(title_text=_("weights in the bin"), **up)
    figure.layout.xaxis2.update(title_text=_("all weights"), range=[-0.5, 0.5], **bare)
    figure.layout.yaxis2.update(tickformat=".0%", range=[0, 1])


def _histogram_alternative(
    layer: str, after: Counts, zeros: ZeroCounts, threshold: float | None, levels: Reals | None
) -> str:
    total = max(int(after.sum()) + zeros.total, 1)
    said = _(
        "Histogram of {weights} weights of {layer}: {pruned} pruned, {quantized} rounded to zero, "
        "{before} zero before."
    ).format(
        weights=whole(total),
        layer=layer,
        pruned=percent(zeros.pruned / total),
        quantized=percent(zeros.quantized / total),
        before=percent(zeros.original / total),
    )
    if threshold is not None:
        said += " " + _("The smallest magnitude kept is {threshold}.").format(threshold=short(threshold))
    if levels is not None:
        said += " " + _("The quantizer has {count} levels.").format(count=len(levels))
    return said


def _histogram_table(before: Counts, after: Counts, edges: Reals, zeros: ZeroCounts) -> pd.DataFrame:
    """One row for each bin; the three kinds of zero are rows from 0 to 0."""
    bins = pd.DataFrame(
        {"kind": "bin", "low": edges[:-1], "high": edges[1:], "before": before, "after": after}
    )
    kinds = {
        "zero before": (zeros.original, zeros.original),
        "rounded to zero": (0, zeros.quantized),
        "pruned": (0, zeros.pruned),
    }
    rows = [{"kind": k, "low": 0.0, "high": 0.0, "before": b, "after": a} for k, (b, a) in kinds.items()]
    return pd.concat([bins, pd.DataFrame(rows)], ignore_index=True)


def error_by_channel(
    layer: str, errors: Reals, *, after_cuts: bool = False, ordered: bool = True, dark: bool = False
) -> Drawn:
    """The weight error of each output channel, the worst first or in the order of the layer.

    errors [out], |w - w'|^2 / |w|^2; NaN where a channel has nothing to compare with, which is not drawn.
    after_cuts: w is what preparations and cuts left, not the weight as loaded.
    """
    errors = np.where(np.isfinite(errors), errors, np.nan)
    order = np.argsort(-errors, kind="stable") if ordered else np.arange(len(errors))
    shown = errors[order]
    colors = palette.ink(dark=dark)
    figure = go.Figure(_channel_trace(shown, order, colors))
    measured = errors[np.isfinite(errors)]
    if measured.size:
        _mark_median(figure, float(np.median(measured)), colors)
    axis = _("output channels, the worst first") if ordered else _("output channel")
    figure.update_xaxes(title_text=axis, showgrid=False)
    figure.update_yaxes(title_text=_("weight error"), tickformat=".3~%", rangemode="tozero")
    palette.style(
        figure,
        dark=dark,
        title=_("Weight error of each output channel of {layer}").format(layer=safe(layer)),
        subtitle=(
            _("Squared change of what preparations and cuts left of a channel, over its squared size")
            if after_cuts
            else _("Squared change of a channel's weights over their squared size")
        ),
    )
    table = pd.DataFrame({"channel": order, "weight_error": shown})
    return Drawn(figure, _error_alternative(layer, errors), table)


def _channel_trace(shown: Reals, order: NDArray[Any], colors: Ink) -> go.Bar | go.Scatter:
    """Bars as long as they can be told apart, else one line."""
    template = hover((_("channel"), "%{customdata}"), (_("weight error"), "%{y:.3%}"))
    common = {"x": np.arange(len(shown)), "y": shown, "customdata": order, "hovertemplate": template}
    if len(shown) <= MOST_BARS:
        return go.Bar(**common, marker={"color": colors.after, "line": {"width": 0}})
    return go.Scatter(
        **common, mode="lines", fill="tozeroy", line={"shape": "hvh", "color": colors.after, "width": 1.4}
    )


def _mark_median(figure: go.Figure, median: float, colors: Ink) -> None:
    palette.rule(figure, at=median, upright=False, color=colors.text, dash="dot")
    figure.add_annotation(
        x=1,
        xref="paper",
        y=median,
        text=_("median {value}").format(value=percent(median, 2)),
        showarrow=False,
        xanchor="right",
        yanchor="bottom",
        bgcolor=colors.surface,
        opacity=0.85,
        font={"color": colors.text},
    )


def _error_alternative(layer: str, errors: Reals) -> str:
    measured = errors[np.isfinite(errors)]
    if not measured.size:
        return _("No output channel of {layer} has a weight error to show.").format(layer=layer)
    said = _(
        "Weight error of {count} output channels of {layer}: median {median}, "
        "largest {largest} in channel {channel}."
    ).format(
        count=whole(measured.size),
        layer=layer,
        median=percent(float(np.median(measured)), 2),
        largest=percent(float(measured.max()), 2),
        channel=int(np.argmax(np.where(np.isfinite(errors), errors, -1))),
    )
    if measured.size == errors.size:
        return said
    missing = _("{count} others are not drawn: cut out, all zero, or holding a value that is not finite.")
    return f"{said} {missing.format(count=whole(errors.size - measured.size))}"
