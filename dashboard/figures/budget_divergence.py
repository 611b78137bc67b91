"""All budgets at once: how far the answers are expected to move, for each size of the packed file."""

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

KIB = 1024
LEAST = 1e-6  # nats: less is nothing


@dataclass(frozen=True)
class MeasuredBudget:
    """A recipe that was really made: bytes of its packed file, nats measured."""

    packed_bytes: float
    kl: float


def budget_divergence(
    budgets: Floats,
    divergence: Floats,
    *,
    budget: float,
    expected: float,
    solved: MeasuredBudget | None = None,
    dark: bool = False,
) -> Drawn:
    """budgets [n] in bytes, divergence [n] in nats, estimated; budget, expected: where the slider stands."""
    colors = palette.ink(dark=dark)
    figure = go.Figure()
    unit = (_("Packed file"), "%{x:,.4~g} KiB"), (_("KL divergence"), "%{y:.4~g} nat")
    figure.add_scatter(
        x=budgets / KIB,
        y=np.maximum(divergence, LEAST),
        mode="lines",
        name=_("estimated"),
        line={"color": colors.muted, "width": 2, "dash": "dot"},
        hovertemplate=hover(*unit, (_("how"), _("estimated"))),
    )
    figure.add_scatter(
        x=np.array([budget / KIB]),
        y=np.array([max(expected, LEAST)]),
        mode="markers",
        name=_("this budget, estimated"),
        marker={"symbol": "circle-open", "size": 13, "color": colors.before, "line": {"width": 2.5}},
        hovertemplate=hover(*unit, (_("how"), _("estimated"))),
    )
    if solved is not None:
        figure.add_scatter(
            x=np.array([solved.packed_bytes / KIB]),
            y=np.array([max(solved.kl, LEAST)]),
            mode="markers",
            name=_("solved, measured"),
            marker={"symbol": "star", "size": 13, "color": colors.gain},
            hovertemplate=hover(*unit, (_("how"), _("measured"))),
        )
    figure.update_xaxes(title_text=_("Packed file (KiB)"))
    figure.update_yaxes(title_text=_("KL divergence (nat)"))
    log_axis(figure.update_xaxes, budgets / KIB)
    log_axis(figure.update_yaxes, np.maximum(np.append(divergence, expected), LEAST))
    title = _("At {size:,.1f} KiB a divergence of {kl:.3g} nat is expected").format(
        size=budget / KIB, kl=expected
    )
    if solved is not None:
        title = _("At {size:,.1f} KiB {kl:.3g} nat were measured").format(
            size=solved.packed_bytes / KIB, kl=solved.kl
        )
    subtitle = _("Dotted: the best recipe for each budget, sums of what the layers do alone")
    palette.style(figure, dark=dark, title=title, subtitle=subtitle, legend=True, height=330)
    table = pd.DataFrame({"packed_bytes": budgets, "kl_estimated": divergence})
    return Drawn(figure, f"{title}. {subtitle}.", table)
