"""Whose compression made items flip: what putting one layer back does, for one item and for all flips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compress_core.numerics.arrays import Bools, Floats
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.words import hover, percent, safe, safe_names, shortened, shortened_apart
from dashboard.text import _

ROW_PX, FRAME_PX, MOST_PX = 22, 130, 900


def confidence_put_back(
    item: int | str,
    layers: Sequence[str],
    confidence: Floats,
    is_back: Bools,
    *,
    before: float,
    after: float,
    class_name: str,
    dark: bool = False,
) -> Drawn:
    """For one item: the confidence in the original's class with each layer put back, [m] in forward order.

    item: its number, or how it is called. is_back [m]: whether it gets that class again. before, after: the
    same of both models as they are.
    """
    colors = palette.ink(dark=dark)
    figure = _bars(layers, 100 * confidence, np.where(is_back, colors.gain, colors.muted), _("confidence"))
    for at, color, dash in ((before, colors.before, "dash"), (after, colors.after, "dot")):
        palette.rule(figure, at=100 * at, upright=True, color=color, dash=dash)
    figure.update_xaxes(
        title_text=_("confidence in {name} (%)").format(name=safe(class_name)), range=[0, 110]
    )
    alone = [layers[place] for place in np.flatnonzero(is_back).tolist()]
    title = _("Item {item}: putting back {layer} alone is enough").format(
        item=item, layer=safe(alone[int(np.argmax(confidence[is_back]))]) if alone else ""
    )
    if not alone:
        title = _("Item {item}: no single layer turns it back").format(item=item)
    return _drawn(
        figure,
        layers,
        title,
        _("Dashed: original, {before}; dotted: compressed, {after}; green: the original's class").format(
            before=percent(before), after=percent(after)
        ),
        _("Confidence in {name} with one layer put back: {layers}.").format(
            name=shortened(class_name), layers=_told(layers, confidence)
        ),
        pd.DataFrame({"layer": list(layers), "confidence": confidence, "is_back": is_back}),
        dark=dark,
    )


def turned_back(layers: Sequence[str], shares: Floats, items: int, *, dark: bool = False) -> Drawn:
    """For all flips that were tried: the share that putting back each layer alone turns back, [m]."""
    colors = palette.ink(dark=dark)
    most = int(np.argmax(shares)) if shares.size else 0
    color = np.where(np.arange(len(shares)) == most, colors.after, colors.muted)
    figure = _bars(layers, 100 * shares, color, _("flips turned back"))
    figure.update_xaxes(title_text=_("flips that it alone turns back (%)"), range=[0, 110])
    title = _("No layer turns any flip back alone")
    if shares.size and shares[most] > 0:
        title = _("{layer} alone turns back {share} of the flips").format(
            layer=safe(layers[most]), share=percent(float(shares[most]), 0)
        )
    return _drawn(
        figure,
        layers,
        title,
        _("One layer put back at a time, all others as compressed; {items:,} flips").format(items=items),
        _("Share of {items:,} flips that each layer alone turns back: {layers}.").format(
            items=items, layers=_told(layers, shares)
        ),
        pd.DataFrame({"layer": list(layers), "share_turned_back": shares}),
        dark=dark,
    )


def _bars(layers: Sequence[str], percents: Floats, colors: np.ndarray, what: str) -> go.Figure:
    return go.Figure(
        go.Bar(
            x=percents,
            y=np.arange(len(layers)),
            orientation="h",
            width=0.7,
            marker={"color": colors, "line": {"width": 0}},
            text=np.array([f"{value:.0f}" for value in percents]),
            textposition="outside",
            cliponaxis=False,
            customdata=np.array(safe_names(list(layers))),
            hovertemplate=hover((what, "%{x:.1f} %"), heading="%{customdata}"),
        )
    )


def _drawn(
    figure: go.Figure,
    layers: Sequence[str],
    title: str,
    subtitle: str,
    alternative: str,
    table: pd.DataFrame,
    *,
    dark: bool,
) -> Drawn:
    figure.update_yaxes(
        tickvals=np.arange(len(layers)),
        ticktext=safe_names(list(layers), 26),
        range=[len(layers) - 0.4, -0.6],
        showgrid=False,
    )
    height = min(MOST_PX, ROW_PX * len(layers)) + FRAME_PX
    palette.style(figure, dark=dark, title=title, subtitle=subtitle, height=height)
    return Drawn(figure, alternative, table)


def _told(layers: Sequence[str], shares: Floats) -> str:
    order = np.argsort(-shares, kind="stable")[:5]
    names = shortened_apart([layers[place] for place in order])
    return ", ".join(
        f"{name} {percent(float(shares[place]))}" for name, place in zip(names, order, strict=True)
    )
