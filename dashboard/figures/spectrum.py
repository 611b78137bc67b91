"""How much of a layer lies in few directions: its singular values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from compress_core.numerics.arrays import Reals
from dashboard.figures import palette
from dashboard.figures.contrast import legible
from dashboard.figures.drawn import Drawn
from dashboard.figures.palette import Ink
from dashboard.figures.words import hover, percent, safe, whole
from dashboard.text import _


def spectrum(
    layer: str,
    values: Reals,
    *,
    rank: int | None = None,
    break_even: int | None = None,
    dark: bool = False,
) -> Drawn:
    """The singular values of a layer and the energy that the largest of them hold together.

    values [r], the largest first; rank: the chosen one; break_even: the largest rank at which two small
    layers hold fewer weights than the one they replace; the line stands behind it.
    """
    numbers = np.arange(1, len(values) + 1)
    energy = energy_held(values)
    colors = palette.ink(dark=dark)
    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.08)
    _add_spectrum(figure, numbers, values, energy, colors)
    if rank is not None:
        said = _("rank {rank}").format(rank=rank)
        _mark_rank(figure, rank, said, dash="solid", color=colors.after, side="bottom", dark=dark)
    if break_even is not None:
        said = _("break-even {rank}").format(rank=break_even)
        _mark_rank(figure, break_even + 0.5, said, dash="dash", color=colors.text, side="top", dark=dark)
    figure.update_yaxes(title_text=_("singular value"), type="log", exponentformat="power", row=1, col=1)
    figure.update_yaxes(title_text=_("energy held"), tickformat=".0%", range=[0, 1.03], row=2, col=1)
    figure.update_xaxes(title_text=_("rank"), row=2, col=1)
    palette.style(
        figure,
        dark=dark,
        title=_("Singular values of {layer}").format(layer=safe(layer)),
        subtitle=_("A rank left of the break-even line makes the layer smaller"),
        height=460,
    )
    table = pd.DataFrame({"rank": numbers, "singular_value": values, "energy": energy})
    return Drawn(figure, _spectrum_alternative(layer, energy, rank, break_even), table)


def energy_held(values: Reals) -> Reals:
    """The share of the squared singular values [r] that the largest of them hold together [r].

    All of it where they are all zero: nothing is lost at any rank.
    """
    finite = np.where(np.isfinite(values), values, 0.0).astype(np.float64)
    largest = finite.max(initial=0.0)
    if not largest:
        return np.ones(len(finite))
    summed = np.cumsum(np.square(finite / largest))  # squares of 1e-45 or 3e38 would not fit all types
    held: Reals = summed / summed[-1]
    return held


def _add_spectrum(
    figure: go.Figure, numbers: NDArray[Any], values: Reals, energy: Reals, colors: Ink
) -> None:
    """Zero has no place on a log scale and is left out."""
    line = {"color": colors.before, "width": 2}
    top = go.Scatter(
        x=numbers,
        y=np.where((values > 0) & np.isfinite(values), values, np.nan),
        mode="lines",
        line=line,
        hovertemplate=hover((_("rank"), "%{x}"), (_("singular value"), "%{y:.4g}")),
    )
    bottom = go.Scatter(
        x=numbers,
        y=energy,
        mode="lines",
        line=line,
        hovertemplate=hover((_("rank"), "%{x}"), (_("energy held"), "%{y:.2%}")),
    )
    figure.add_traces([top, bottom], rows=[1, 2], cols=[1, 1])


def _mark_rank(
    figure: go.Figure, rank: float, said: str, *, dash: str, color: str, side: str, dark: bool
) -> None:
    """A line through both panels, with its name at one end of the lower one."""
    for panel in ("y domain", "y2 domain"):
        line = {"color": color, "width": 1.6, "dash": dash}
        figure.add_shape(type="line", x0=rank, x1=rank, y0=0, y1=1, xref="x", yref=panel, line=line)
    figure.add_annotation(
        x=rank,
        y=1 if side == "top" else 0,
        xref="x",
        yref="y domain" if side == "top" else "y2 domain",
        text=said,
        showarrow=False,
        xanchor="left",
        yanchor=side,
        xshift=4,
        font={"color": legible(color, palette.ink(dark=dark).page, palette.ink(dark=dark).text)},
    )


def _spectrum_alternative(layer: str, energy: Reals, rank: int | None, break_even: int | None) -> str:
    said = _("{count} singular values of {layer}; 90 % of the energy needs rank {needed}.").format(
        count=whole(len(energy)), layer=layer, needed=min(int(np.searchsorted(energy, 0.9)) + 1, len(energy))
    )
    if rank is not None and 1 <= rank <= len(energy):
        said += " " + _("Rank {rank} holds {share}.").format(
            rank=rank, share=percent(float(energy[rank - 1]))
        )
    if break_even is not None:
        said += " " + _("Up to rank {rank} the layer gets smaller.").format(rank=break_even)
    return said
