"""Who is hurt: flips, change by class and change of accuracy, before against after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.figures import palette
from dashboard.figures.click_targets import add_targets
from dashboard.figures.contrast import text_on
from dashboard.figures.drawn import Drawn
from dashboard.figures.palette import Ink
from dashboard.figures.words import hover, safe_names, shortened, signed, whole
from dashboard.text import _

MOST_CLASSES = 40
MOST_WRITTEN = 20
ROW_HEIGHT, LABEL_HEIGHT = 24, 17


def flips_matrix(
    flips: pd.DataFrame,
    classes: Sequence[str],
    *,
    marked: tuple[int | None, int | None] = (None, None),
    dark: bool = False,
) -> Drawn:
    """Which predictions became which: rows before, columns after; what stayed is gray, on no scale.

    flips: counts [before, after], index and columns the numbers of the classes; -1 is "no answer".
    A click on a cell carries (row, column) of `flips`. With many classes the most changed are shown.
    marked: the classes before and after that are outlined; with one of them, its whole row or column.
    """
    names = [classes[number] if number >= 0 else _("no answer") for number in flips.index]
    counts = flips.to_numpy()
    shown = _most_changed(counts)
    part = counts[np.ix_(shown, shown)]
    figure = go.Figure([_stayed(part), _changed(part, dark=dark)])
    _write_counts(figure, part, dark=dark)
    _flip_targets(figure, part, shown, safe_names(names))
    _outline(figure, [int(flips.index[place]) for place in shown], marked, palette.ink(dark=dark))
    labels = safe_names([names[i] for i in shown], 16)
    ticks = {"tickvals": np.arange(len(shown)), "ticktext": labels, "showgrid": False, "type": "linear"}
    figure.update_xaxes(**ticks, title_text=_("predicted after"), range=[-0.5, len(shown) - 0.5])
    figure.update_yaxes(**ticks, title_text=_("predicted before"), range=[len(shown) - 0.5, -0.5])
    changed, total = int(counts.sum() - np.trace(counts)), int(counts.sum())
    palette.style(
        figure,
        dark=dark,
        title=_("Changed predictions: {changed} of {total}").format(
            changed=whole(changed), total=whole(total)
        ),
        subtitle=_flips_subtitle(len(shown), len(counts), changed),
        height=max(480, 150 + LABEL_HEIGHT * len(shown)),
    )
    return Drawn(figure, _flips_alternative(counts, names), _flips_table(counts, names))


def _most_changed(counts: NDArray[Any]) -> NDArray[np.int64]:
    """The classes with the most flips from or to them, in their own order; of many only those with any.

    Where nothing flipped those that stayed most often.
    """
    stayed = np.diagonal(counts)
    moved = counts.sum(axis=0) + counts.sum(axis=1) - 2 * stayed
    flipped = int((moved > 0).sum())
    most = min(flipped or MOST_CLASSES, MOST_CLASSES) if len(counts) > MOST_CLASSES else len(counts)
    return np.sort(np.lexsort((-stayed, -moved))[:most]).astype(np.int64)


def _stayed(counts: NDArray[Any]) -> go.Heatmap:
    z = np.full(counts.shape, np.nan, np.float32)
    np.fill_diagonal(z, 1)
    gray = "rgba(128,138,152,0.30)"
    scale = [[0, gray], [1, gray]]
    return go.Heatmap(
        z=z, colorscale=scale, zmin=0, zmax=1, showscale=False, hoverinfo="skip", xgap=1, ygap=1
    )


def _changed(counts: NDArray[Any], *, dark: bool) -> go.Heatmap:
    """Cells off the diagonal; a cell without flips stays empty."""
    z = np.where(counts > 0, counts, np.nan).astype(np.float32)
    np.fill_diagonal(z, np.nan)
    most = float(np.nanmax(z)) if np.isfinite(z).any() else 1.0
    bar = palette.color_bar(_("items that changed"), tickformat=",d", nticks=min(int(most) + 1, 6))
    return go.Heatmap(
        z=z,
        zmin=0,
        zmax=most,
        colorscale=palette.sequential(dark=dark),
        colorbar=bar,
        xgap=1,
        ygap=1,
        hoverinfo="skip",
        showscale=bool(np.isfinite(z).any()),
    )


def _write_counts(figure: go.Figure, counts: NDArray[Any], *, dark: bool) -> None:
    """The number in each cell that has one, as long as there is room."""
    if len(counts) > MOST_WRITTEN:
        return
    rows, columns = np.nonzero(counts)
    off = counts - np.diag(np.diagonal(counts))
    cells = palette.colors_at(
        palette.sequential(dark=dark), off[rows, columns] / max(int(off.max(initial=0)), 1)
    )
    on_cell = np.array([text_on(cell) for cell in cells], dtype=object)
    figure.add_trace(
        go.Scatter(
            x=columns,
            y=rows,
            text=[whole(n) for n in counts[rows, columns]],
            mode="text",
            textfont={"color": np.where(rows == columns, palette.ink(dark=dark).text, on_cell), "size": 11},
            hoverinfo="skip",
            showlegend=False,
        )
    )


def _flip_targets(
    figure: go.Figure, part: NDArray[Any], shown: NDArray[np.int64], names: Sequence[str]
) -> None:
    row, column = (grid.ravel() for grid in np.indices(part.shape))
    carried = np.stack([shown[row], shown[column]], axis=1)
    arrows = [
        f"{names[r]} → {names[c]}<br>{whole(n)}" for (r, c), n in zip(carried, part.ravel(), strict=True)
    ]
    add_targets(figure, column, row, carried, template=hover(heading="%{text}"), text=np.array(arrows))


def _outline(
    figure: go.Figure, numbers: list[int], marked: tuple[int | None, int | None], colors: Ink
) -> None:
    """A frame around what is chosen, where it is drawn."""
    if marked == (None, None) or any(number not in (None, *numbers) for number in marked):
        return
    (y0, y1), (x0, x1) = (
        (-0.5, len(numbers) - 0.5)
        if number is None
        else (numbers.index(number) - 0.5, numbers.index(number) + 0.5)
        for number in marked
    )
    figure.add_shape(
        type="rect", x0=x0, x1=x1, y0=y0, y1=y1, line={"color": colors.text, "width": 2.5}, name="chosen"
    )


def _flips_subtitle(shown: int, every: int, changed: int) -> str:
    if shown == every or not changed:
        return _("Gray diagonal: the same prediction before and after")
    template = (
        _("The {shown} changed of {every} classes; the diagonal did not change")
        if shown < MOST_CLASSES
        else _("The {shown} most changed of {every} classes; the diagonal did not change")
    )
    return template.format(shown=shown, every=every)


def _flips_table(counts: NDArray[Any], names: Sequence[str]) -> pd.DataFrame:
    """One row for each pair of classes that occurs."""
    before, after = np.nonzero(counts)
    named = np.array(names, dtype=object)
    return pd.DataFrame({"before": named[before], "after": named[after], "count": counts[before, after]})


def _flips_alternative(counts: NDArray[Any], names: Sequence[str]) -> str:
    off = counts - np.diag(np.diagonal(counts))
    said = _("{changed} of {total} predictions changed.").format(
        changed=whole(int(off.sum())), total=whole(int(counts.sum()))
    )
    if not off.any():
        return said
    row, column = divmod(int(off.argmax()), len(off))
    most = _("The most frequent change is {before} to {after} with {items} items.")
    return f"{said} " + most.format(
        before=shortened(names[row]), after=shortened(names[column]), items=whole(off[row, column])
    )


def per_class_change(per_class: pd.DataFrame, classes: Sequence[str], *, dark: bool = False) -> Drawn:
    """How many points each class gained or lost, the worst first, with intervals that hold together.

    per_class: class (number), n, change, low, high (points), p_holm (adjusted for all classes).
    """
    table = per_class.assign(name=[classes[number] for number in per_class["class"]])
    table = table.sort_values(["change", "class"], ignore_index=True)
    shown = table.head(MOST_CLASSES)
    colors = palette.ink(dark=dark)
    figure = go.Figure(_change_dots(shown, colors))
    palette.rule(figure, at=0, upright=True, color=colors.text)
    figure.update_xaxes(title_text=_("change of accuracy (points)"), ticksuffix="")
    figure.update_yaxes(
        tickvals=np.arange(len(shown)),
        ticktext=safe_names(list(shown["name"]), 20),
        range=[len(shown) - 0.4, -0.6],
        showgrid=False,
    )
    some = _("The worst {shown} of {every} classes").format(shown=len(shown), every=len(table))
    palette.style(
        figure,
        dark=dark,
        title=_("Change of accuracy in each class"),
        subtitle=(some + "; " if len(shown) < len(table) else "") + _what_dots_say(table),
        height=130 + ROW_HEIGHT * max(len(shown), 4),
    )
    return Drawn(figure, _change_alternative(table), table)


def _what_dots_say(table: pd.DataFrame) -> str:
    if _has_intervals(table):
        said = _("95 % intervals, simultaneous over {classes} classes; filled: p below 0.05 after Holm")
        return said.format(classes=len(table))
    return _("No intervals: the decisions of one item are not independent of one another")


def _has_intervals(table: pd.DataFrame) -> bool:
    """Whether any class has one; where items hold several decisions none has."""
    return bool(np.isfinite(table[["low", "high"]].to_numpy(np.float64)).any())


def _change_dots(shown: pd.DataFrame, colors: Ink) -> go.Scatter:
    change = shown["change"].to_numpy(np.float64)
    sure = shown["p_holm"].to_numpy(np.float64) < 0.05
    color = np.where(change < 0, colors.loss, np.where(change > 0, colors.gain, colors.muted))
    carried = shown[["low", "high", "n", "p_holm"]].to_numpy(np.float64)
    return go.Scatter(
        x=change,
        y=np.arange(len(shown)),
        mode="markers",
        marker={
            "color": color,
            "size": 9,
            "symbol": np.where(sure, "circle", "circle-open"),
            "line": {"width": 1.8, "color": color},
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": shown["high"].to_numpy(np.float64) - change,
            "arrayminus": change - shown["low"].to_numpy(np.float64),
            "color": colors.muted,
            "thickness": 1.4,
            "width": 3,
        },
        customdata=carried,
        text=np.array(safe_names(list(shown["name"]))),
        hovertemplate=_change_hover(told=_has_intervals(shown)),
    )


def _change_hover(*, told: bool) -> str:
    """What a dot says; told: with its interval and p."""
    change = "%{x:+.2f} [%{customdata[0]:+.2f}, %{customdata[1]:+.2f}]" if told else "%{x:+.2f}"
    rows = [(_("change (points)"), change), (_("items"), "%{customdata[2]:,d}")]
    sure = [(_("p after Holm"), "%{customdata[3]:.3g}")] if told else []
    return hover(*rows, *sure, heading="%{text}")


def _change_alternative(table: pd.DataFrame) -> str:
    if table.empty:
        return _("No class has an item to show.")
    worst, best = table.iloc[0], table.iloc[-1]
    if not _has_intervals(table):
        return _(
            "Change of accuracy in {classes} classes: worst {worst} with {worst_change} points, best {best} "
            "with {best_change} points; no intervals, since the decisions of one item are not independent."
        ).format(
            classes=len(table),
            worst=shortened(worst["name"]),
            worst_change=signed(worst["change"]),
            best=shortened(best["name"]),
            best_change=signed(best["change"]),
        )
    return _(
        "Change of accuracy in {classes} classes: worst {worst} with {worst_change} points "
        "[{low}, {high}], best {best} with {best_change} points; {sure} of them differ from zero after Holm."
    ).format(
        classes=len(table),
        worst=shortened(worst["name"]),
        worst_change=signed(worst["change"]),
        low=signed(worst["low"]),
        high=signed(worst["high"]),
        best=shortened(best["name"]),
        best_change=signed(best["change"]),
        sure=int((table["p_holm"] < 0.05).sum()),
    )
