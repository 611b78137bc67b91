"""What a class predicted, as a histogram; and, once it is revealed, the outcome over it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from compress_core.numerics.arrays import Floats
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.words import hover, safe
from dashboard.text import _


def class_predictions(
    edges: Floats,
    counts: NDArray[np.int64],
    *,
    label: str,
    title: str,
    outcome: float | None = None,
    mine: float | None = None,
    dark: bool = False,
) -> Drawn:
    """Predictions [bins] between edges [bins + 1], all as they are written.

    label: what is predicted, with its unit. title: what there is to say. outcome: drawn over them, where it
    is open. mine: the visitor's own prediction, where there is one.
    """
    colors = palette.ink(dark=dark)
    centers, widths, top = (edges[:-1] + edges[1:]) / 2, np.diff(edges), max(1, int(counts.max()))
    figure = go.Figure()
    figure.add_bar(
        x=centers,
        y=counts,
        width=widths,
        name=_("predictions of the class"),
        marker={"color": colors.before, "line": {"width": 1, "color": colors.page}},
        customdata=np.column_stack([edges[:-1], edges[1:]]),
        hovertemplate=hover(
            (_("predicted"), "%{customdata[0]:,.6~g} – %{customdata[1]:,.6~g}"), (_("pupils"), "%{y}")
        ),
    )
    if mine is not None:
        figure.add_scatter(
            x=np.array([mine]),
            y=np.array([0.0]),
            mode="markers",
            name=_("your prediction"),
            marker={"symbol": "diamond", "size": 13, "color": colors.text},
            hovertemplate=hover((_("your prediction"), "%{x:,.6~g}")),
            cliponaxis=False,
        )
    if outcome is not None:
        figure.add_scatter(
            x=np.array([outcome, outcome]),
            y=np.array([0.0, top * 1.05]),
            mode="lines",
            name=_("what came out"),
            line={"color": colors.after, "width": 4},
            hovertemplate=hover((_("what came out"), "%{x:,.6~g}")),
        )
    figure.update_xaxes(title_text=safe(label), range=_reach(edges, outcome))
    figure.update_yaxes(title_text=_("pupils"), range=[0, top * 1.1], dtick=max(1, round(top / 5)))
    palette.style(figure, dark=dark, title=title, legend=True, height=235)
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "predictions": counts})
    return Drawn(figure, f"{title} {_alternative(edges, counts)}".strip(), table)


def _reach(edges: Floats, outcome: float | None) -> list[float]:
    """All bins, and the outcome where it lies outside."""
    seen = edges if outcome is None else np.append(edges, outcome)
    margin = 0.01 * float(np.ptp(seen))
    return [float(seen.min()) - margin, float(seen.max()) + margin]


def _alternative(edges: Floats, counts: NDArray[np.int64]) -> str:
    said = ", ".join(
        _("{count} from {low} to {high}").format(count=count, low=f"{low:,.6g}", high=f"{high:,.6g}")
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        if count
    )
    return _("Predictions: {said}.").format(said=said) if said else ""
