"""Which classes each of several models hurts: the change of accuracy of every class, model beside model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compress_core.numerics.arrays import Floats
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.words import hover, safe, safe_names, shortened, signed
from dashboard.text import _

ROW_PX, FRAME_PX, MOST_CLASSES = 24, 140, 30


def classes_hurt(
    changes: Floats,
    low: Floats,
    high: Floats,
    classes: Sequence[str],
    models: Sequence[str],
    *,
    dark: bool = False,
) -> Drawn:
    """Changes of accuracy in points [classes, models] with intervals that hold together within each model.

    The classes that some model hurts most are shown, the worst first; NaN for a class without items.
    """
    worst = np.nanmin(np.where(np.isnan(changes), np.inf, changes), axis=1)
    order = np.argsort(worst, kind="stable")[:MOST_CLASSES]
    values, limit = changes[order], palette.centered(changes)
    surely = (high[order] < 0) | (low[order] > 0)
    names = safe_names([classes[place] for place in order.tolist()], 24)
    figure = go.Figure(
        go.Heatmap(
            z=values.astype(np.float32),
            x=safe_names(list(models), 24),
            y=np.arange(len(names)),
            zmin=-limit,
            zmax=limit,
            colorscale=palette.diverging(dark=dark),
            colorbar=palette.color_bar(_("points of accuracy")),
            text=_written(values, surely),
            texttemplate="%{text}",
            customdata=_said(names, values, low[order], high[order]),
            hovertemplate=hover((_("change"), "%{customdata}"), heading="%{x}"),
        )
    )
    figure.update_xaxes(title_text=_("model"), side="bottom", showgrid=False, type="category")
    figure.update_yaxes(
        title_text=_("class"),
        tickvals=np.arange(len(names)),
        ticktext=names,
        autorange="reversed",
        showgrid=False,
    )
    palette.style(
        figure,
        dark=dark,
        title=_title(values, names, models),
        subtitle=_how_sure(low),
        height=ROW_PX * len(names) + FRAME_PX,
    )
    table = _table(changes, low, high, classes, models)
    return Drawn(figure, _alternative(values, names, models), table)


def _how_sure(low: Floats) -> str:
    if np.isfinite(low).any():
        return _("Change of accuracy in points against the original; bold: its interval leaves out zero")
    return _(
        "Change of accuracy in points against the original; no intervals: the decisions of one item are not "
        "independent of one another"
    )


def _written(values: Floats, surely: np.ndarray) -> np.ndarray:
    cells = [
        ("" if np.isnan(value) else f"<b>{signed(value, 1)}</b>" if sure else signed(value, 1))
        for value, sure in zip(values.ravel(), surely.ravel(), strict=True)
    ]
    return np.array(cells, dtype=object).reshape(values.shape)


def _said(names: Sequence[str], values: Floats, low: Floats, high: Floats) -> np.ndarray:
    cells = [
        f"{name}: {signed(values[row, column])}{_ends(low[row, column], high[row, column])}"
        for row, name in enumerate(names)
        for column in range(values.shape[1])
    ]
    return np.array(cells, dtype=object).reshape(values.shape)


def _ends(low: float, high: float) -> str:
    """The interval behind a value; empty where there is none."""
    return f" [{signed(low)}, {signed(high)}]" if np.isfinite(low) else ""


def _title(values: Floats, names: Sequence[str], models: Sequence[str]) -> str:
    if not values.size or not np.nanmin(values) < 0:
        return _("No class loses accuracy in any of these models")
    row, column = np.unravel_index(np.nanargmin(values), values.shape)
    return _("Hurt most: class {name} in {model}, {change} points").format(
        name=names[int(row)],
        model=safe(models[int(column)], 24),
        change=signed(float(values[row, column]), 1),
    )


def _alternative(values: Floats, names: Sequence[str], models: Sequence[str]) -> str:
    told = []
    for column, model in enumerate(models):
        if np.isfinite(values[:, column]).any():
            row = int(np.nanargmin(values[:, column]))
            told.append(f"{shortened(model)}: {names[row]} {signed(float(values[row, column]), 1)}")
    return _("The class that each model hurts most, in points: {models}.").format(models=", ".join(told))


def _table(
    changes: Floats, low: Floats, high: Floats, classes: Sequence[str], models: Sequence[str]
) -> pd.DataFrame:
    rows = [
        {
            "compared": model,
            "class": name,
            "change_points": changes[row, column],
            "low": low[row, column],
            "high": high[row, column],
        }
        for column, model in enumerate(models)
        for row, name in enumerate(classes)
    ]
    return pd.DataFrame(rows)
