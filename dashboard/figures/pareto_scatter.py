"""All models by two measures, with the front that no other model beats in both."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compress_core.numerics.arrays import Bools, Floats
from dashboard.figures import palette
from dashboard.figures.click_targets import compact
from dashboard.figures.drawn import Drawn
from dashboard.figures.log_axis import log_axis
from dashboard.figures.measures import Measure, error_bars, values_of
from dashboard.figures.palette import Ink
from dashboard.figures.words import counted_models, hover, safe, shortened
from dashboard.text import _

HEIGHT = 430


def pareto_scatter(
    models: pd.DataFrame,
    x: Measure,
    y: Measure,
    front: Bools,
    *,
    letters: Mapping[str, str] | None = None,
    here: str = "",
    items: str = "",
    with_dominated: bool = True,
    dark: bool = False,
) -> Drawn:
    """A point for each model with its intervals, a step line along the front.

    models: key, label, runs (of how many seeds it is the mean), and columns of both measures. front [n];
    letters: of the models that were picked, by key; here: the key of the one that is open; items: what they
    were measured on, in words. Clicks carry the number of the row.
    """
    colors = palette.ink(dark=dark)
    at = values_of((x, y), models)
    known: Bools = np.asarray(np.isfinite(at).all(axis=1), dtype=np.bool_)
    shown = known & (front | with_dominated | _kept(models, letters or {}, here))
    figure = go.Figure()
    _add_front(figure, at[front], x, colors)
    _add_points(figure, models, shown & ~front, x, y, _("beaten in both"), colors.muted, "circle", colors)
    _add_points(figure, models, shown & front, x, y, _("on the front"), colors.after, "diamond", colors)
    _mark(figure, models, at, shown, letters or {}, here, colors)
    for update, measure, values in (
        (figure.update_xaxes, x, at[known, 0]),
        (figure.update_yaxes, y, at[known, 1]),
    ):
        _axis(update, measure, values)
    figure.update_layout(hovermode="closest", clickmode="event+select", dragmode="pan")
    palette.style(
        figure,
        dark=dark,
        title=_title(int(known.sum()), int(front.sum())),
        subtitle=_subtitle(models, items),
        legend=True,
        height=HEIGHT,
    )
    return Drawn(figure, _alternative(models, at, known, front, x, y), _table(models, at, front, x, y))


def _kept(models: pd.DataFrame, letters: Mapping[str, str], here: str) -> Bools:
    """What is drawn even where it is beaten: models that were picked, and the one that is open."""
    kept: Bools = models["key"].isin({*letters, here}).to_numpy(np.bool_)
    return kept


def _add_front(figure: go.Figure, at: Floats, x: Measure, colors: Ink) -> None:
    """What can be had at each place of x: up to the next model it is what the one before it gives."""
    if len(at) < 2:
        return
    order = np.lexsort((at[:, 1], at[:, 0]))
    figure.add_trace(
        go.Scatter(
            x=at[order, 0],
            y=at[order, 1],
            mode="lines",
            line={
                "color": colors.after,
                "width": 1.6,
                "dash": "dot",
                "shape": "hv" if x.direction == "lower" else "vh",
            },
            name=_("front"),
            hoverinfo="skip",
        )
    )


def _add_points(
    figure: go.Figure,
    models: pd.DataFrame,
    chosen: Bools,
    x: Measure,
    y: Measure,
    name: str,
    color: str,
    symbol: str,
    colors: Ink,
) -> None:
    if not chosen.any():
        return
    rows = models[chosen]
    carried = np.flatnonzero(chosen)[:, None]
    full = {"marker": {"opacity": 1.0}}
    figure.add_trace(
        go.Scatter(
            x=x.of(rows),
            y=y.of(rows),
            mode="markers",
            name=name,
            marker={
                "color": color,
                "size": 11,
                "symbol": symbol,
                "line": {"color": colors.surface, "width": 1},
            },
            selected=full,
            unselected=full,
            error_x=error_bars(x, models, chosen, color),
            error_y=error_bars(y, models, chosen, color),
            customdata=compact(carried),
            text=np.array([_named(row) for row in rows.itertuples()]),
            hovertemplate=hover(
                (safe(x.axis), "%{x:,.4~g}"), (safe(y.axis), "%{y:,.4~g}"), heading="%{text}"
            ),
        )
    )


def _named(row: object) -> str:
    runs = int(getattr(row, "runs", 1))
    named = safe(str(getattr(row, "label", "")), 60)
    return named if runs < 2 else _("{model}, mean of {runs} seeds").format(model=named, runs=runs)


def _mark(
    figure: go.Figure,
    models: pd.DataFrame,
    at: Floats,
    shown: Bools,
    letters: Mapping[str, str],
    here: str,
    colors: Ink,
) -> None:
    """A ring around the model that is open, a letter beside those that were picked."""
    keys = models["key"].to_numpy()
    for name, chosen, size in (
        (_("picked"), shown & np.isin(keys, list(letters)), 18),
        (_("open now"), shown & (keys == here), 24),
    ):
        if chosen.any():
            figure.add_trace(
                go.Scatter(
                    x=at[chosen, 0],
                    y=at[chosen, 1],
                    mode="markers+text",
                    name=name,
                    text=np.array([letters.get(key, "") if size == 18 else "" for key in keys[chosen]]),
                    textposition="top right",
                    textfont={"size": 15, "color": colors.text},
                    marker={
                        "size": size,
                        "symbol": "circle-open",
                        "color": colors.text if size == 18 else colors.before,
                        "line": {"width": 2},
                    },
                    hoverinfo="skip",
                )
            )


def _axis(update: object, measure: Measure, values: Floats) -> None:
    assert callable(update)
    far = measure.reaches_far(values)
    title = _("{measure}, powers of ten").format(measure=measure.axis) if far else measure.axis
    update(title_text=safe(title, 80), type="linear")
    if far:
        log_axis(update, values)


def _title(known: int, front: int) -> str:
    if not known:
        return _("No model has both numbers yet")
    if known == 1:
        return _("One model has both numbers so far")
    return _("{front:,} of {known:,} models are beaten by no other in both").format(front=front, known=known)


def _subtitle(models: pd.DataFrame, items: str) -> str:
    bars = _("Bars: 95 % intervals")
    if (models.get("runs", pd.Series([1])) > 1).any():
        bars = _("Bars: 95 % intervals; of several seeds from the lowest to the highest")
    return "; ".join(filter(None, [bars, safe(items, 80)]))


def _alternative(models: pd.DataFrame, at: Floats, known: Bools, front: Bools, x: Measure, y: Measure) -> str:
    if not known.any():
        return _("{x} against {y}: 0 models have both.").format(x=_(x.title), y=_(y.title))
    told = [
        f"{shortened(str(models['label'].iloc[row]))} ({x.said(at[row, 0])}, {y.said(at[row, 1])})"
        for row in np.flatnonzero(front)[:5]
    ]
    return _("{x} against {y} of {known}; on the front {front:,}: {models}.").format(
        x=_(x.title),
        y=_(y.title),
        known=counted_models(int(known.sum())),
        front=int(front.sum()),
        models=", ".join(told),
    )


def _table(models: pd.DataFrame, at: Floats, front: Bools, x: Measure, y: Measure) -> pd.DataFrame:
    """Both measures as they are drawn, with their intervals."""
    columns: dict[str, object] = {"key": models["key"].to_numpy(), "label": models["label"].to_numpy()}
    for place, measure in enumerate((x, y)):
        columns |= {
            measure.name: at[:, place],
            f"{measure.name}.low": measure.of(models, "low"),
            f"{measure.name}.high": measure.of(models, "high"),
            f"{measure.name}.unit": measure.drawing.unit,
        }
    return pd.DataFrame({**columns, "on_front": front})
