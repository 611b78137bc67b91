"""What a training does to each layer, epoch by epoch: zeros, weights that came back, units that are gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.words import hover, percent, safe_names, whole
from dashboard.text import _

ROW_PX, LEAST_PX, MOST_PX, FRAME_PX = 20, 120, 640, 120


@dataclass(frozen=True)
class OfLayers:
    """Something that is told of each layer: its title, what one number is, and whether it is a share."""

    title: str
    unit: str
    is_share: bool


def told_of_layers() -> Mapping[str, OfLayers]:
    """All that epochs tell of layers, by its name there, the most important first."""
    return {
        "sparsity": OfLayers(_("Zeros in each layer"), _("share of zeros"), is_share=True),
        "grown": OfLayers(_("Weights that came back from zero"), _("weights"), is_share=False),
        "zero_units": OfLayers(_("Units without a weight in each group"), _("units"), is_share=False),
        "zero_inputs": OfLayers(_("Zeros among what layers read"), _("share of zeros"), is_share=True),
    }


def layers_over_epochs(values: pd.DataFrame, what: OfLayers, *, dark: bool = False) -> Drawn:
    """A row for each layer, a column for each epoch; values: index layers, columns epochs from 1."""
    numbers = values.to_numpy(np.float64)
    most = 1.0 if what.is_share else max(1.0, float(np.nanmax(numbers, initial=0)))
    names = safe_names([str(name) for name in values.index], 24)
    as_text: Callable[[float], str] = percent if what.is_share else whole
    figure = go.Figure(
        go.Heatmap(
            z=numbers.astype(np.float32),
            x=[str(epoch) for epoch in values.columns],
            y=names,
            zmin=0,
            zmax=most,
            colorscale=palette.sequential(dark=dark),
            colorbar=palette.color_bar(what.unit, tickformat=".0%" if what.is_share else ",d", nticks=5),
            hovertemplate=hover(
                (_("layer"), "%{y}"),
                (_("epoch"), "%{x}"),
                (what.unit, "%{z:.1%}" if what.is_share else "%{z:,d}"),
            ),
        )
    )
    figure.update_xaxes(title_text=_("epoch"), type="category", showgrid=False, nticks=12)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    palette.style(
        figure,
        dark=dark,
        title=what.title,
        subtitle=_summary(numbers, as_text),
        height=min(MOST_PX, max(LEAST_PX, ROW_PX * len(names))) + FRAME_PX,
    )
    table = (
        values.rename_axis(index="layer").reset_index().melt("layer", var_name="epoch", value_name="value")
    )
    return Drawn(figure, _alternative(values, what, as_text), table)


def _summary(numbers: np.ndarray, as_text: Callable[[float], str]) -> str:
    low, high = float(np.nanmin(numbers[:, -1])), float(np.nanmax(numbers[:, -1]))
    return _("In the last epoch from {low} to {high}").format(low=as_text(low), high=as_text(high))


def _alternative(values: pd.DataFrame, what: OfLayers, as_text: Callable[[float], str]) -> str:
    last = values.iloc[:, -1]
    low, high = as_text(float(last.min())), as_text(float(last.max()))
    if low == high:
        return _("{title}: in epoch {epoch} {value} everywhere.").format(
            title=what.title, epoch=values.columns[-1], value=low
        )
    return _("{title}: in epoch {epoch} least in {least} ({low}), most in {most} ({high}).").format(
        title=what.title,
        epoch=values.columns[-1],
        least=last.idxmin(),
        low=low,
        most=last.idxmax(),
        high=high,
    )
