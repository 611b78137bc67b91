"""Answers that are no classes: where real numbers stood and stand, how far vectors turned."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compress_core.measure.behavior.item_table import FILE_ITEM
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.words import hover, item_words, whole
from dashboard.text import _

_MOST_POINTS = 2000
_BINS = 40


def moved_values(shifts: pd.DataFrame, *, dark: bool = False) -> Drawn:
    """Each item's answer before (across) and after (up), on one scale; on the dotted line nothing moved.

    shifts: item, before, after, shift, the furthest first; of more than 2,000 items the furthest are shown.
    file_item: the numbers of the items in the file, where they are others.
    """
    shown, colors = shifts.head(_MOST_POINTS), palette.ink(dark=dark)
    low, high = (float(pick(shifts[["before", "after"]].to_numpy())) for pick in (np.nanmin, np.nanmax))
    line = {"color": colors.text, "width": 1.2, "dash": "dot"}
    of_file = [FILE_ITEM] if FILE_ITEM in shown else []
    points = go.Scatter(
        x=shown["before"].to_numpy(),
        y=shown["after"].to_numpy(),
        mode="markers",
        marker={"color": colors.after, "size": 6, "opacity": 0.7},
        customdata=shown[["item", "shift", *of_file]].to_numpy(),
        hovertemplate=hover(
            (_("item"), "%{customdata[0]:,d}"),
            *((_("item of the file"), "%{customdata[2]:,d}") for _column in of_file),
            (_("before"), "%{x:.4g}"),
            (_("after"), "%{y:.4g}"),
            (_("moved by"), "%{customdata[1]:.4g}"),
        ),
    )
    figure = go.Figure([points])
    figure.add_shape(type="line", x0=low, y0=low, x1=high, y1=high, line=line)
    figure.update_xaxes(title_text=_("answer before (unit of the labels)"))
    figure.update_yaxes(title_text=_("answer after (unit of the labels)"))
    palette.style(
        figure,
        dark=dark,
        title=_("Where did the answers move?"),
        subtitle=_("{shown} of {every} items, the furthest first; on the dotted line nothing moved").format(
            shown=whole(len(shown)), every=whole(len(shifts))
        ),
        height=440,
    )
    return Drawn(figure, _furthest(shifts), shifts)


def turned_vectors(shifts: pd.DataFrame, *, dark: bool = False) -> Drawn:
    """How many items have each cosine between their vectors before and after.

    shifts: item, shift (1 - cosine), the furthest first.
    """
    colors = palette.ink(dark=dark)
    cosines = 1 - shifts["shift"].to_numpy(np.float64)
    known = cosines[np.isfinite(cosines)]
    least = float(known.min()) if known.size else 0.0
    edges = np.linspace(min(least, 1 - 1e-6), 1.0, _BINS + 1)
    counts, edges = np.histogram(np.clip(known, edges[0], 1.0), bins=edges)
    bars = go.Bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=counts,
        width=np.diff(edges) * 0.94,
        marker={"color": colors.after, "line": {"width": 0}},
        hovertemplate=hover((_("cosine"), "%{x:.4f}"), (_("items"), "%{y:,d}")),
    )
    figure = go.Figure([bars])
    figure.update_xaxes(title_text=_("cosine between the vectors before and after (1: the same direction)"))
    figure.update_yaxes(title_text=_("items"))
    palette.style(
        figure,
        dark=dark,
        title=_("How far did the vectors turn?"),
        subtitle=_("{every} items").format(every=whole(len(shifts))),
        height=440,
    )
    return Drawn(figure, _furthest(shifts), shifts)


def _furthest(shifts: pd.DataFrame) -> str:
    first = shifts.iloc[0]
    return _(
        "Of {every} items, item {item} moved furthest, by {shift}; half of them by less than {half}."
    ).format(
        every=whole(len(shifts)),
        item=_named(first),
        shift=f"{float(first['shift']):.4g}",
        half=f"{float(shifts['shift'].median()):.4g}",
    )


def _named(row: pd.Series) -> str:
    return item_words(int(row["item"]), int(row[FILE_ITEM]) if FILE_ITEM in row else None)
