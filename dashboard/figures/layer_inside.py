"""Where weights are at zero inside one layer, block by block, to zoom into."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.figures import palette
from dashboard.figures.click_targets import add_targets
from dashboard.figures.drawn import Drawn
from dashboard.figures.reduce import MOST_CELLS, Blocks, ZoomWindow, block_reduce
from dashboard.figures.words import hover, percent, safe, whole
from dashboard.text import _


def sparsity_within(
    layer: str,
    kept: NDArray[Any],
    *,
    present: NDArray[np.bool_] | None = None,
    window: ZoomWindow | None = None,
    max_cells: int = MOST_CELLS,
    dark: bool = False,
) -> Drawn:
    """The share of weights at zero over one layer, block by block, whatever made them zero.

    kept [out, in], true or 1 where a weight is not zero; present [out, in]: false where it was cut out with
    its channel, which is not counted and stays gray. A click on a cell carries (top, bottom, left, right)
    of its block: Window(*clicked(point)) draws what is inside it.
    """
    blocks = block_reduce(kept, max_cells, window, present)
    zero = np.float32(1) - blocks.mean
    figure = go.Figure(_block_heatmap(zero, blocks, dark=dark))
    _block_targets(figure, zero, blocks)
    figure.update_xaxes(title_text=_("input (number of the column)"), showgrid=False)
    figure.update_yaxes(title_text=_("output (number of the row)"), showgrid=False)
    figure.update_xaxes(range=[blocks.column_edges[0] - 0.5, blocks.column_edges[-1] - 0.5])
    figure.update_yaxes(range=[blocks.row_edges[-1] - 0.5, blocks.row_edges[0] - 0.5])
    palette.style(
        figure,
        dark=dark,
        title=_("Weights at zero inside {layer}").format(layer=safe(layer)),
        subtitle=_cell_size(blocks),
        height=480,
    )
    palette.gray_where_nothing_is(figure, dark=dark)
    return Drawn(figure, _block_alternative(layer, zero, blocks), _block_table(zero, blocks))


def _block_heatmap(zero: NDArray[np.float32], blocks: Blocks, *, dark: bool) -> go.Heatmap:
    return go.Heatmap(
        z=zero,
        x=blocks.column_edges - 0.5,
        y=blocks.row_edges - 0.5,
        zmin=0,
        zmax=1,
        colorscale=palette.sequential(dark=dark),
        colorbar=palette.color_bar(_("share at zero"), tickformat=".0%"),
        hoverinfo="skip",
    )


def _corners(blocks: Blocks) -> NDArray[np.int64]:
    """Top, bottom, left and right of every block, row by row [cells, 4]."""
    top, left = np.meshgrid(blocks.row_edges[:-1], blocks.column_edges[:-1], indexing="ij")
    bottom, right = np.meshgrid(blocks.row_edges[1:], blocks.column_edges[1:], indexing="ij")
    return np.stack([top, bottom, left, right], axis=-1).reshape(-1, 4)


def _block_targets(figure: go.Figure, zero: NDArray[np.float32], blocks: Blocks) -> None:
    """One target in the middle of each block that holds a weight."""
    shares = zero.ravel()
    there = ~np.isnan(shares)
    corners = _corners(blocks)[there]
    template = hover(
        (_("share at zero"), "%{text:.1%}"),
        (_("rows"), "%{customdata[0]} ≤ r < %{customdata[1]}"),
        (_("columns"), "%{customdata[2]} ≤ c < %{customdata[3]}"),
    )
    x = ((corners[:, 2] + corners[:, 3] - 1) / 2).astype(np.float32)
    y = ((corners[:, 0] + corners[:, 1] - 1) / 2).astype(np.float32)
    add_targets(figure, x, y, corners, template=template, text=shares[there])


def _cell_size(blocks: Blocks) -> str:
    height, width = blocks.cell
    if height == width == 1:
        return _("Each cell = one weight")
    return _("Each cell = {height} x {width} weights; click one to see inside").format(
        height=height, width=width
    )


def _block_table(zero: NDArray[np.float32], blocks: Blocks) -> pd.DataFrame:
    frame = pd.DataFrame(_corners(blocks), columns=["row_from", "row_to", "column_from", "column_to"])
    return frame.assign(share_zero=zero.ravel())


def _block_alternative(layer: str, zero: NDArray[np.float32], blocks: Blocks) -> str:
    there = int(blocks.count.sum())
    place = {
        "layer": layer,
        "top": blocks.row_edges[0],
        "bottom": blocks.row_edges[-1] - 1,
        "left": blocks.column_edges[0],
        "right": blocks.column_edges[-1] - 1,
    }
    if not there:
        return _(
            "Layer {layer}, rows {top} to {bottom} and columns {left} to {right}: every weight here was cut "
            "out."
        ).format(**place)
    said = _(
        "Layer {layer}, rows {top} to {bottom} and columns {left} to {right}: {share} of {weights} weights "
        "are at zero; over cells of {height} x {width} weights the share runs from {low} to {high}."
    ).format(
        **place,
        share=percent(float(np.nansum(zero * blocks.count) / there)),
        weights=whole(there),
        height=blocks.cell[0],
        width=blocks.cell[1],
        low=percent(float(np.nanmin(zero))),
        high=percent(float(np.nanmax(zero))),
    )
    drawn = int(np.outer(np.diff(blocks.row_edges), np.diff(blocks.column_edges)).sum())
    if drawn == there:
        return said
    gone = _("{count} more were cut out with their channels: they are not counted and gray in the map.")
    return f"{said} {gone.format(count=whole(drawn - there))}"
