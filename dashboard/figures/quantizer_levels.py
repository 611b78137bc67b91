"""All quantizers on one layer: where their levels lie under the weights, what they cost and lose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from compress_core.numerics.arrays import Reals
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.words import hover, in_bytes, percent, safe, short
from dashboard.text import _

LINE, HISTOGRAM, HEAD_AND_FOOT = 34, 110, 140


@dataclass(frozen=True, eq=False)
class QuantizerLevels:
    """One quantizer: its name as shown, the levels of the first row, bytes of the layer, weight error."""

    name: str
    levels: Reals
    bytes: float
    error: float


def quantizer_levels(
    layer: str,
    quantizers: Sequence[QuantizerLevels],
    counts: NDArray[Any],
    edges: Reals,
    *,
    dark: bool = False,
) -> Drawn:
    """The weights of a layer as bars, and below them one line of ticks for the levels of each quantizer.

    counts [bins], edges [bins + 1]; quantizers from top to bottom, the most exact first.
    """
    colors = palette.ink(dark=dark)
    height = LINE * max(len(quantizers), 2)
    share = HISTOGRAM / (HISTOGRAM + height)
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[share, 1 - share], vertical_spacing=0.03)
    bars = go.Bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=counts,
        width=np.diff(edges),
        marker={"color": colors.before, "opacity": 0.55, "line": {"width": 0}},
        hovertemplate=hover((_("weights in the bin"), "%{y:,d}"), heading="%{x:.3g}"),
    )
    figure.add_trace(bars, row=1, col=1)
    for index, one in enumerate(quantizers):
        figure.add_trace(_ticks(one, index, colors), row=2, col=1)
    figure.update_yaxes(title_text=_("weights"), row=1, col=1)
    figure.update_yaxes(
        tickvals=np.arange(len(quantizers)),
        ticktext=[_heading(one) for one in quantizers],
        range=[len(quantizers) - 0.5, -0.5],
        showgrid=True,
        row=2,
        col=1,
    )
    reach = float(np.abs(edges).max())
    figure.update_xaxes(range=[-1.04 * reach, 1.04 * reach], showgrid=False)
    figure.update_xaxes(showticklabels=False, ticks="", row=1, col=1)
    figure.update_xaxes(title_text=_("value of the weight"), row=2, col=1)
    palette.style(
        figure,
        dark=dark,
        title=_("Where the levels lie on {layer}").format(layer=safe(layer)),
        subtitle=_("Ticks: levels of the first row; beside the name, weight error and bytes of the layer"),
        height=HEAD_AND_FOOT + HISTOGRAM + height,
    )
    figure.update_layout(bargap=0)
    return Drawn(figure, _alternative(layer, quantizers), _table(quantizers))


def _ticks(one: QuantizerLevels, index: int, colors: palette.Ink) -> go.Scatter:
    return go.Scatter(
        x=one.levels,
        y=np.full(len(one.levels), index),
        mode="markers",
        marker={
            "symbol": "line-ns",
            "size": 15,
            "color": colors.after,
            "line": {"color": colors.after, "width": 1.3},
        },
        hovertemplate=hover((_("level"), "%{x:.4g}"), heading=safe(one.name)),
    )


def _heading(one: QuantizerLevels) -> str:
    small = f"{_error(one.error)} · {in_bytes(one.bytes)}"
    return f"{safe(one.name)}<br><span style='font-size:11px'>{small}</span>"


def _error(share: float) -> str:
    if not np.isfinite(share):
        return _("no finite error")
    return percent(share, 2) if share >= 1e-4 else f"{short(100 * share)} %"


def _alternative(layer: str, quantizers: Sequence[QuantizerLevels]) -> str:
    if not quantizers:
        return _("No quantizer can be shown on {layer}.").format(layer=layer)
    smallest = min(quantizers, key=lambda one: one.bytes)
    told = [one for one in quantizers if np.isfinite(one.error)]
    if not told:
        return _(
            "{count} quantizers on {layer}, none with a finite error; {smallest} takes the fewest bytes, "
            "{bytes}."
        ).format(count=len(quantizers), layer=layer, smallest=smallest.name, bytes=in_bytes(smallest.bytes))
    best, worst = told[0], told[-1]
    return _(
        "{count} quantizers on {layer}: {best} errs least with {best_error} of the squared weights, "
        "{worst} most with {worst_error}; {smallest} takes the fewest bytes, {bytes}."
    ).format(
        count=len(quantizers),
        layer=layer,
        best=best.name,
        best_error=_error(best.error),
        worst=worst.name,
        worst_error=_error(worst.error),
        smallest=smallest.name,
        bytes=in_bytes(smallest.bytes),
    )


def _table(quantizers: Sequence[QuantizerLevels]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "quantizer": [one.name for one in quantizers],
            "levels": [len(one.levels) for one in quantizers],
            "weight_error": [one.error for one in quantizers],
            "bytes": [one.bytes for one in quantizers],
            "levels_of_first_row": [" ".join(f"{level:.6g}" for level in one.levels) for one in quantizers],
        }
    )
