"""A search: what was estimated, what was run, and the front of what was run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compress_core.numerics.arrays import Floats
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.log_axis import log_axis
from dashboard.figures.words import hover
from dashboard.text import _

ESTIMATED, RUN, FRONT = "estimated", "run", "front"


@dataclass(frozen=True)
class FrontAxis:
    """A column of the table with what it is called, its unit, and whether it spans powers of ten.

    factor: from the unit of the table to the one that is drawn.
    """

    column: str
    title: str
    unit: str
    is_log: bool = False
    factor: float = 1.0

    def of(self, table: pd.DataFrame) -> Floats:
        """Its values as they are drawn, [n]."""
        values: Floats = table[self.column].to_numpy(np.float64) * self.factor
        return values

    @property
    def with_unit(self) -> str:
        return f"{self.title} ({self.unit})"


def search_front(
    table: pd.DataFrame, x: FrontAxis, y: FrontAxis, *, searched: int, dark: bool = False
) -> Drawn:
    """table: the columns of both axes and kind (estimated, run, front); estimated values look otherwise."""
    colors = palette.ink(dark=dark)
    figure = go.Figure()
    looks = {
        ESTIMATED: (_("estimated only"), "circle-open", colors.muted, 6),
        RUN: (_("run, beaten by another"), "circle", colors.before, 8),
        FRONT: (_("run, beaten by none"), "star", colors.gain, 12),
    }
    for kind, (name, symbol, color, size) in looks.items():
        rows = table[table["kind"] == kind].sort_values(x.column)
        figure.add_scatter(
            x=x.of(rows),
            y=y.of(rows),
            mode="lines+markers" if kind == FRONT else "markers",
            name=name,
            line={"color": color, "width": 1.4, "dash": "dot"},
            marker={"symbol": symbol, "color": color, "size": size},
            hovertemplate=hover(
                (x.title, f"%{{x:,.4~g}} {x.unit}"), (y.title, f"%{{y:,.4~g}} {y.unit}"), (_("how"), name)
            ),
        )
    for axis, update in ((x, figure.update_xaxes), (y, figure.update_yaxes)):
        update(title_text=axis.with_unit)
        values = axis.of(table)
        if axis.is_log and (values > 0).any():
            log_axis(update, values[values > 0])
    _without_what_is_far_off(figure, table, y)
    run = int(table["kind"].isin({RUN, FRONT}).sum())
    title = _("{searched:,} recipes searched, {run:,} evaluated, {front:,} that no other beats").format(
        searched=searched, run=run, front=int((table["kind"] == FRONT).sum())
    )
    subtitle = _("Open circles were only estimated; every other point was really run")
    palette.style(figure, dark=dark, title=title, subtitle=subtitle, legend=True, height=400)
    return Drawn(figure, f"{title}. {subtitle}.", table.reset_index(drop=True))


def _without_what_is_far_off(figure: go.Figure, table: pd.DataFrame, y: FrontAxis) -> None:
    """The axis ends where what was run ends: an estimate far below would press the front flat."""
    run = y.of(table[table["kind"] != ESTIMATED])
    run = run[np.isfinite(run)]
    if len(run) > 1 and not y.is_log and np.ptp(run) > 0:
        room = 0.06 * float(np.ptp(run))
        figure.update_yaxes(range=[float(run.min()) - room, float(run.max()) + room])
