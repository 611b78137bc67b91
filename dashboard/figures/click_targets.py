"""What a heatmap lacks: cells that answer to a click."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray


def add_targets(
    figure: go.Figure,
    x: NDArray[Any],
    y: NDArray[Any],
    carried: NDArray[Any],
    *,
    template: str,
    text: NDArray[Any] | None = None,
) -> None:
    """Lay invisible points over a heatmap: they show the hover and are what a click selects.

    x, y [n], carried [n, k] whole numbers. Plotly selects no cell of a heatmap, only points; drawing one
    of them (maxdisplayed) keeps 16,000 as light as none.
    """
    unseen = {"marker": {"opacity": 0}}
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            marker={"size": 2, "opacity": 0, "maxdisplayed": 1},
            selected=unseen,
            unselected=unseen,
            customdata=compact(carried),
            text=text,
            hovertemplate=template,
            showlegend=False,
        )
    )
    figure.update_layout(hovermode="closest", hoverdistance=-1, clickmode="event+select")


def compact(whole_numbers: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in the narrowest type that a browser's typed arrays know."""
    largest = int(whole_numbers.max(initial=0))
    return whole_numbers.astype(np.uint8 if largest < 2**8 else np.uint16 if largest < 2**16 else np.int32)
