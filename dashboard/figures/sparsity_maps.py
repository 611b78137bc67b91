"""Where weights are missing: every layer by channel, and channels that have none left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.figures import palette
from dashboard.figures.click_targets import add_targets
from dashboard.figures.drawn import Drawn
from dashboard.figures.reduce import block_reduce
from dashboard.figures.words import hover, percent, safe_names, whole
from dashboard.text import _

WIDEST, NARROWEST, MOST_VALUES = 240, 24, 12_000
ROW_HEIGHT, LOWEST_ROW, HEAD_AND_FOOT, HOVER_NAME, NAME = 32, 17, 116, 28, 18
SCALE = 44  # pixels below the axis, where the color bar takes no width from the map


@dataclass(frozen=True)
class HeatmapRow:
    """One layer of the heatmap: the mean share of each cell, NaN where nothing is there, and its channels."""

    shares: NDArray[np.float32]
    edges: NDArray[np.int64]
    channels: int
    there: int


def sparsity_by_channel(shares: Mapping[str, NDArray[Any]], *, dark: bool = False) -> Drawn:
    """The share of weights at zero, for every output channel of every layer.

    shares: for each layer [out], between 0 and 1, NaN where a channel was cut out, which stays gray. A wide
    layer shows blocks of channels, a narrow one is stretched; a click on a cell carries (layer, first
    channel, last channel), as numbers from 0.
    """
    figure = channel_heatmap(
        shares,
        title=_("Share of weights at zero in each output channel"),
        axis=_("output channels, in order"),
        dark=dark,
    )
    return Drawn(figure, _layers_alternative(shares), channel_table(shares))


def channel_heatmap(
    shares: Mapping[str, NDArray[Any]], *, title: str, axis: str, dark: bool = False
) -> go.Figure:
    """One row for each layer, one cell for each channel or block of channels, always from 0 to 100 %."""
    width = int(np.clip(MOST_VALUES // max(len(shares), 1), NARROWEST, WIDEST))
    rows = [_row(np.asarray(values), width // 2) for values in shares.values()]
    figure = go.Figure(_layers_heatmap(rows, width, dark=dark))
    _layer_targets(figure, list(shares), rows, width)
    figure.update_xaxes(
        title_text=axis,
        showticklabels=False,
        ticks="",
        showgrid=False,
        showline=False,
        range=[-0.5, width - 0.5],
    )
    figure.update_yaxes(tickvals=np.arange(len(rows)), ticktext=_row_labels(shares, rows), showgrid=False)
    figure.update_yaxes(range=[len(rows) - 0.5, -0.5])
    palette.gray_where_nothing_is(figure, dark=dark)
    palette.style(
        figure,
        dark=dark,
        title=title,
        subtitle=_("One row is one layer; what a cell covers stands under its name"),
        height=HEAD_AND_FOOT + SCALE + _rows_height(len(rows)),
    )
    figure.update_layout(margin_b=palette.FOOT + SCALE)
    return figure


def _row(values: NDArray[Any], most_cells: int) -> HeatmapRow:
    known = ~np.isnan(values)
    blocks = block_reduce(values[None, :], most_cells, present=known[None, :])
    return HeatmapRow(blocks.mean[0], blocks.column_edges, len(values), int(known.sum()))


def _layers_heatmap(rows: Sequence[HeatmapRow], width: int, *, dark: bool) -> go.Heatmap:
    """Each row repeats its cells over the common width."""
    column = np.arange(width)
    stretched = [row.shares[column * len(row.shares) // width] for row in rows]
    return go.Heatmap(
        z=np.stack(stretched) if stretched else np.zeros((0, width), np.float32),
        zmin=0,
        zmax=1,
        ygap=2,
        colorscale=palette.sequential(dark=dark),
        colorbar=palette.color_bar(
            _("share at zero"),
            tickformat=".0%",
            orientation="h",
            lenmode="pixels",
            len=230,
            tickangle=0,
            ticklabeloverflow="allow",
            x=0,
            xref="container",
            xanchor="left",
            y=0,
            yref="container",
            yanchor="bottom",
        ),
        hoverinfo="skip",
    )


def _rows_height(rows: int) -> int:
    """Pixels for the rows: many layers get narrower ones, as long as their names can be read."""
    return max(rows, 4) * int(np.clip(1600 // max(rows, 1), LOWEST_ROW, ROW_HEIGHT))


def _layer_targets(figure: go.Figure, names: Sequence[str], rows: Sequence[HeatmapRow], width: int) -> None:
    """One target in the middle of each cell."""
    counts = [len(row.shares) for row in rows]
    if not counts:
        return
    layer = np.repeat(np.arange(len(rows)), counts)
    centers = [(np.arange(n) + 0.5) * width / n - 0.5 for n in counts]
    first = np.concatenate([row.edges[:-1] for row in rows])
    last = np.concatenate([row.edges[1:] - 1 for row in rows])
    text = [
        f"{name}<br>{_('cut out') if np.isnan(share) else percent(float(share))}"
        for name, row in zip(safe_names(names, HOVER_NAME), rows, strict=True)
        for share in row.shares
    ]
    template = hover(
        (_("channels"), "%{customdata[1]}–%{customdata[2]}"),
        heading="%{text}",
    )
    carried = np.stack([layer, first, last], axis=1)
    add_targets(
        figure,
        np.concatenate(centers).astype(np.float32),
        layer,
        carried,
        template=template,
        text=np.array(text),
    )


def _row_labels(shares: Mapping[str, NDArray[Any]], rows: Sequence[HeatmapRow]) -> list[str]:
    """The name of each layer, and below it what a cell covers, where rows are high enough for two lines."""
    names = safe_names(list(shares), NAME)
    if _rows_height(len(rows)) < ROW_HEIGHT * len(rows):
        return [_marked(name, row) for name, row in zip(names, rows, strict=True)]
    return [
        f"{name}<br><span style='font-size:10px'>{_covers(row)}</span>"
        for name, row in zip(names, rows, strict=True)
    ]


def _marked(name: str, row: HeatmapRow) -> str:
    """The name alone, unless something of the layer is gone."""
    return name + f" ({_covers(row)})" * (row.there < row.channels)


def _covers(row: HeatmapRow) -> str:
    """How many channels the layer has and a cell shows; how many are left of them."""
    if row.there == 0:
        return _("left out")
    said = _("{channels} channels, {count} a cell").format(
        channels=whole(row.channels), count=int(row.edges[1] - row.edges[0])
    )
    if row.there == row.channels:
        return said
    return _("{said}, {cut} cut out").format(said=said, cut=whole(row.channels - row.there))


def channel_table(shares: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """One row for each channel of each layer."""
    lengths = [len(values) for values in shares.values()]
    return pd.DataFrame(
        {
            "layer": np.repeat(np.array(list(shares), dtype=object), lengths),
            "channel": np.concatenate([np.arange(n) for n in lengths]) if lengths else np.array([], int),
            "share_zero": np.concatenate(list(shares.values())) if lengths else np.array([], float),
        }
    )


def _layers_alternative(shares: Mapping[str, NDArray[Any]]) -> str:
    if all(np.isnan(values).all() for values in shares.values()):
        return _("There is no layer to show.")
    means = {name: float(np.nanmean(v)) for name, v in shares.items() if not np.isnan(v).all()}
    most, least = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    if percent(means[most]) == percent(means[least]):
        return _("Share of weights at zero, on average over output channels: {share} in {layers}.").format(
            share=percent(means[most]),
            layers=most if len(means) == 1 else _("each of {count} layers").format(count=len(means)),
        )
    return _(
        "Share of weights at zero in {layers} layers: highest in {most} with {most_share}, "
        "lowest in {least} with {least_share} on average over output channels."
    ).format(
        layers=len(means),
        most=most,
        most_share=percent(means[most]),
        least=least,
        least_share=percent(means[least]),
    )


def dead_channels(
    layers: Sequence[str], dead: NDArray[Any], channels: NDArray[Any], *, dark: bool = False
) -> Drawn:
    """Output channels that are there and have no weight left, for each layer.

    dead, channels [layers]: how many are dead, how many there are; those that were cut out are neither.
    """
    share = np.asarray(dead) / np.maximum(np.asarray(channels), 1)
    said = [f"{whole(d)} / {whole(c)}" for d, c in zip(dead, channels, strict=True)]
    colors = palette.ink(dark=dark)
    figure = go.Figure(
        go.Bar(
            x=share,
            y=np.arange(len(share)),
            orientation="h",
            width=0.62,
            marker={"color": colors.after},
            text=said,
            textposition="outside",
            cliponaxis=False,
            hovertext=np.array(safe_names(layers)),
            hovertemplate=hover((_("dead output channels"), "%{text} (%{x:.1%})"), heading="%{hovertext}"),
        )
    )
    upper = max(0.05, ceil(float(share.max(initial=0.0)) * 12) / 10)
    figure.update_xaxes(
        title_text=_("share of output channels without a weight"),
        tickformat=".0%",
        range=[0, upper],  # with room for what stands beside the longest bar
        tickvals=np.linspace(0, 1, 6) if upper >= 1 else None,
    )
    figure.update_yaxes(
        tickvals=np.arange(len(share)),
        ticktext=safe_names(layers, 24),
        range=[len(share) - 0.5, -0.5],
        showgrid=False,
    )
    total, every = int(np.sum(dead)), int(np.sum(channels))
    title = _("Dead output channels: {dead} of {channels}").format(dead=whole(total), channels=whole(every))
    palette.style(figure, dark=dark, title=title, height=110 + ROW_HEIGHT * max(len(share), 3))
    table = pd.DataFrame({"layer": list(layers), "dead": dead, "channels": channels, "share_dead": share})
    alternative = _(
        "{dead} of {channels} output channels have no weight left; most in {layer} with {share}."
    ).format(
        dead=whole(total),
        channels=whole(every),
        layer=layers[int(share.argmax())] if len(share) else "-",
        share=percent(float(share.max(initial=0.0))),
    )
    return Drawn(figure, alternative, table)
