"""One item that is followed through both models: what a layer puts out for it, and what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.reduce import block_reduce
from dashboard.figures.words import hover, percent, safe, whole
from dashboard.text import _

MOST_CHANNELS = 8
MOST_PIXELS = 32
OUTPUTS_HEIGHT = 210


def answer_said(model: str, classes: Sequence[str], shares: NDArray[Any]) -> str:
    """The class that a model is surest of, and how sure: shares [C], NaN where there are none."""
    if not np.isfinite(shares).any():
        return _("{model}: no probabilities, its outputs are not finite.").format(model=model)
    best = int(np.nanargmax(shares))
    return _("{model}: {class_name} with {share}.").format(
        model=model, class_name=classes[best], share=percent(float(shares[best]))
    )


def answers_table(classes: Sequence[str], before: NDArray[Any], after: NDArray[Any]) -> pd.DataFrame:
    """One row for each class; before, after [C]."""
    return pd.DataFrame({"class": list(classes), "before": before, "after": after})


def outputs(layer: str, before: NDArray[Any], after: NDArray[Any] | None, *, dark: bool = False) -> Drawn:
    """What a layer puts out for the item: the original above, the compressed model below, on one scale.

    before, after [n], [tokens, n] or [channels, h, w]; after is None where the layer is not there any more.
    Of many channels those that are strongest in the original are shown, of large maps the mean of blocks.
    """
    strongest = _strongest(before)
    rows = [_tiled(before, strongest)]
    if after is not None and after.shape == before.shape:
        rows.append(_tiled(after, strongest))
    gap = np.full((max(1, rows[0].shape[0] // 8), rows[0].shape[1]), np.nan, np.float32)
    picture = np.concatenate([rows[0], *(part for row in rows[1:] for part in (gap, row))])
    limit = palette.centered(*rows)
    figure = go.Figure(
        go.Heatmap(
            z=picture,
            zmin=-limit,
            zmax=limit,
            colorscale=palette.DIVERGING,
            colorbar=palette.color_bar(_("output"), nticks=5),
            hovertemplate=hover((_("output"), "%{z:.3g}")),
            hoverongaps=False,
        )
    )
    figure.update_xaxes(visible=False)
    height = rows[0].shape[0]
    places = [(height - 1) / 2, height + gap.shape[0] + (height - 1) / 2][: len(rows)]
    figure.update_yaxes(
        autorange="reversed",
        tickvals=places,
        ticktext=[_("original"), _("compressed")][: len(rows)],
        showgrid=False,
    )
    palette.style(
        figure,
        dark=dark,
        title=_("What {layer} puts out for this item").format(layer=safe(layer)),
        subtitle=_subtitle(before, strongest),
        height=OUTPUTS_HEIGHT,
    )
    figure.update_layout(margin={"b": 16})
    return Drawn(figure, _outputs_alternative(before, after), _outputs_table(before, after))


def _strongest(values: NDArray[Any]) -> NDArray[np.int64]:
    """The channels to show, in their own order; all of what is no map."""
    if values.ndim < 3:
        return np.arange(1)
    power = np.nan_to_num(values.astype(np.float64)).reshape(len(values), -1)
    order = np.argsort(-np.square(power).sum(axis=1), kind="stable")[:MOST_CHANNELS]
    return np.sort(order).astype(np.int64)


def _tiled(values: NDArray[Any], channels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Maps side by side with a gap between them; a row of numbers as one line."""
    if values.ndim == 1:
        return values[None].astype(np.float32)
    flat = values.reshape(-1, *values.shape[-2:]) if values.ndim > 3 else values
    if flat.ndim == 2:
        return _small(flat, 4 * MOST_PIXELS)
    tiles = [_small(flat[channel], MOST_PIXELS) for channel in channels]
    gap = np.full((tiles[0].shape[0], 1), np.nan, np.float32)
    return np.concatenate([tiles[0], *(part for tile in tiles[1:] for part in (gap, tile))], axis=1)


def _small(values: NDArray[Any], most: int) -> NDArray[np.float32]:
    return block_reduce(np.nan_to_num(values), most, present=np.isfinite(values)).mean


def _subtitle(values: NDArray[Any], channels: NDArray[np.int64]) -> str:
    if values.ndim < 3 or len(values) <= len(channels):
        return _("original above, compressed below, on one scale")
    return _("the {shown} strongest of {all} channels, on one scale").format(
        shown=len(channels), all=len(values)
    )


def _outputs_alternative(before: NDArray[Any], after: NDArray[Any] | None) -> str:
    if after is None or after.shape != before.shape:
        return _(
            "The original puts out {count} numbers here; the compressed model none of this shape: the layer "
            "was cut or left out."
        ).format(count=whole(before.size))
    first, second = (np.nan_to_num(values.astype(np.float64)) for values in (before, after))
    power = float(np.square(first).sum())
    if not power:
        return _("The original puts out {count} zeros here.").format(count=whole(before.size))
    share = float(np.square(second - first).sum()) / power
    return _("The squared difference is {share} of the squared output of the original.").format(
        share=percent(share)
    )


def _outputs_table(before: NDArray[Any], after: NDArray[Any] | None) -> pd.DataFrame:
    """One row for each number, by its place in the flat output."""
    table = {"place": np.arange(before.size), "before": before.reshape(-1)}
    if after is not None and after.shape == before.shape:
        table["after"] = after.reshape(-1)
    return pd.DataFrame(table)
