"""What was estimated of recipes against what was measured then: the nearer the line, the better."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compress_core.foundation.number import Number
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.words import hover, signed
from dashboard.text import _


def estimated_measured(
    table: pd.DataFrame, correlation: Number, error: Number, *, dark: bool = False
) -> Drawn:
    """table: recipe, places, estimated, measured, low, high (points); a point for each that was run."""
    colors = palette.ink(dark=dark)
    shown = table.dropna(subset=["estimated", "measured"]).reset_index(drop=True)
    values = shown[["estimated", "measured"]].to_numpy(np.float64)
    least = float(values.min()) if len(values) else -1.0
    ends = [least - 1, max(1.0, float(values.max()) if len(values) else 1.0)]
    figure = go.Figure()
    figure.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        line={"color": colors.muted, "dash": "dash", "width": 1.2},
        name=_("estimated = measured"),
        hoverinfo="skip",
    )
    measured = shown["measured"].to_numpy(np.float64)
    figure.add_scatter(
        x=shown["estimated"],
        y=measured,
        mode="markers",
        name=_("a recipe"),
        marker={"color": colors.after, "size": 8, "line": {"color": colors.surface, "width": 1}},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": shown["high"].to_numpy(np.float64) - measured,
            "arrayminus": measured - shown["low"].to_numpy(np.float64),
            "color": colors.after,
            "thickness": 1.2,
            "width": 3,
        },
        customdata=shown[["recipe", "places"]].to_numpy(),
        hovertemplate=hover(
            (_("recipe"), "%{customdata[0]}"),
            (_("knobs moved"), "%{customdata[1]}"),
            (_("estimated"), _("%{x:+.2f} points")),
            (_("measured"), _("%{y:+.2f} points")),
        ),
    )
    figure.update_xaxes(title_text=_("estimated change of accuracy (points)"))
    figure.update_yaxes(title_text=_("measured change of accuracy (points)"))
    said = _said(len(shown), correlation, error)
    palette.style(figure, dark=dark, title=_title(error), subtitle=said, legend=True, height=360)
    return Drawn(figure, f"{_title(error)}. {said}", shown)


def _title(error: Number) -> str:
    if error.value is None:
        return _("Too few checks to say what an estimate is worth")
    return _("Half of the estimates lie within {error} points of what was measured").format(
        error=signed(error.value).lstrip("+")
    )


def _said(count: int, correlation: Number, error: Number) -> str:
    if correlation.value is None or error.value is None:
        return _("{count} recipes were estimated, then run").format(count=count)
    return _("{count} recipes were estimated, then run; rank correlation {rho}; bars: 95 % intervals").format(
        count=count, rho=f"{correlation.value:.2f}"
    )
