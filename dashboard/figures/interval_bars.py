"""Intervals around points, and a line through points that have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from compress_core.numerics.arrays import Floats


def interval_bars(values: Floats, low: Floats, high: Floats, color: str, **more: Any) -> dict[str, Any]:
    """Bars from low to high, as Plotly draws them; none where there is none."""
    return {
        "type": "data",
        "symmetric": False,
        "array": np.nan_to_num(high - values),
        "arrayminus": np.nan_to_num(values - low),
        "color": color,
        "thickness": 1,
        "width": 2,
        **more,
    }


def curve_with_intervals(
    at: Floats, values: Floats, low: Floats, high: Floats, *, color: str, symbol: str, **more: Any
) -> go.Scatter:
    """A line with a marker and an interval at each point [n]; more: as `go.Scatter` takes it."""
    own = {"line": {"color": color, "width": 2}, **more}
    return go.Scatter(
        x=at,
        y=values,
        mode="lines+markers",
        marker={"color": color, "size": 7, "symbol": symbol},
        error_y=interval_bars(values, low, high, color),
        **own,
    )
