"""Who is hurt: the change of every class with its interval, and in the title what that bought."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from compress_core.foundation.number import Number, fixed

_BLUE = "#0072B2"
_HEIGHT_OF_A_CLASS, _HEIGHT_AROUND = 24, 160


def class_figure(per_class: pd.DataFrame, change: Number, before: Number, now: Number) -> go.Figure:
    """A point for each class: its change of accuracy in points with its paired interval, worst on top.

    The intervals hold together with 95 %; of places of one sequence there are none. per_class: as
    `ModelComparison.per_class` makes it; change: of all items, in points; before, now: bytes.
    """
    classes = per_class.iloc[::-1]  # plotly counts from below
    figure = go.Figure(
        go.Scatter(
            x=classes["change"],
            y=classes["class"].astype(str),
            error_x={
                "type": "data",
                "array": classes["high"] - classes["change"],
                "arrayminus": classes["change"] - classes["low"],
            },
            mode="markers",
            marker={"color": _BLUE, "size": 9},
            customdata=classes[["n"]],
            hovertemplate="%{y}: %{x:+.2f} points, N = %{customdata[0]:,}<extra></extra>",
        )
    )
    figure.add_vline(0, line={"color": "gray", "dash": "dot"})
    figure.update_layout(
        title=_title(change, before, now),
        xaxis_title=f"change of accuracy, points ({_how_sure(classes)})",
        yaxis={"type": "category"},
        height=_HEIGHT_AROUND + _HEIGHT_OF_A_CLASS * len(classes),
        template="plotly_white",
    )
    return figure


def _how_sure(classes: pd.DataFrame) -> str:
    if classes["low"].notna().any():
        return f"95 % intervals, simultaneous over {len(classes)} classes"
    return "no intervals: the decisions of one item are not independent of one another"


def _title(change: Number, before: Number, now: Number) -> str:
    points = fixed(float(change.value or 0), 2, "+")
    ends = [fixed(end, 2, "+") for end in (change.low, change.high) if end is not None]
    said = f"{points} points [{', '.join(ends)}]" if ends else f"{points} points (no interval)"
    return f"{before.value:,.0f} → {now.value:,.0f} bytes, {said}, N = {change.n:,}"
