"""Does it still look at the same things: maps before and after, side by side, blinking, as bars."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.pictures import as_map, item_image
from dashboard.figures.reduce import block_reduce
from dashboard.figures.words import hover, safe_names, short, shortened
from dashboard.text import _

MOST_PIXELS = 128
MOST_FEATURES = 20
BLINK_MS = 700
BLINKS = 12
SATURATION = 0.995
ROW_HEIGHT = 26

Map = NDArray[np.float32]


def maps_side_by_side(
    item: NDArray[Any], before: NDArray[Any], after: NDArray[Any], *, dark: bool = False
) -> Drawn:
    """The item, what each model looked at and the difference, all maps on one scale centered at zero.

    item as in item_image; before, after [h, w] or [channels, h, w], whose channels are added up. Large
    maps show the mean of blocks.
    """
    first, second = _drawable(before), _drawable(after)
    limit = palette.centered(first, second, quantile=SATURATION)
    titles = [_("Item"), _("Original"), _("Compressed"), _("Difference")]
    figure = make_subplots(1, 4, horizontal_spacing=0.03, subplot_titles=titles)
    figure.add_trace(_item_trace(item), row=1, col=1)
    for column, values in enumerate((first, second, second - first), start=2):
        figure.add_trace(_map_trace(values), row=1, col=column)
        _square(figure, f"x{column}", values.shape, row=1, col=column)
    figure.update_layout(coloraxis=_map_scale(limit, dark=dark))
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, constraintoward="top")
    palette.style(
        figure,
        dark=dark,
        title=_("What the model looks at, before and after"),
        subtitle=_scale_note(limit),
        height=300,
    )
    figure.update_layout(margin={"t": 90, "b": 16})
    figure.update_annotations(font={"size": palette.TEXT_SIZE, "color": palette.ink(dark=dark).text})
    return Drawn(
        figure, _maps_alternative(as_map(before), as_map(after)), _maps_table(as_map(before), as_map(after))
    )


def blink(before: NDArray[Any], after: NDArray[Any], *, dark: bool = False) -> Drawn:
    """Both maps in one place: buttons show one, the other, or let them take turns.

    before, after [h, w] or [channels, h, w]; one scale centered at zero. Takes turns slower than three times
    a second, which is safe for people with photosensitive epilepsy, and stops by itself.
    """
    first, second = _drawable(before), _drawable(after)
    limit = palette.centered(first, second, quantile=SATURATION)
    figure = go.Figure([_map_trace(first), _map_trace(second)])
    figure.data[1].visible = False
    figure.frames = [_frame("before", 0, _("Original")), _frame("after", 1, _("Compressed"))]
    _square(figure, "x", first.shape)
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, constrain="domain")
    figure.update_layout(coloraxis=_map_scale(limit, dark=dark), updatemenus=[_buttons(dark=dark)])
    figure.add_annotation(_caption(_("Original")))
    palette.style(
        figure, dark=dark, title=_("One map in place of the other"), subtitle=_scale_note(limit), height=480
    )
    figure.update_layout(margin={"t": 126, "b": 16})
    return Drawn(
        figure, _maps_alternative(as_map(before), as_map(after)), _maps_table(as_map(before), as_map(after))
    )


def _drawable(values: NDArray[Any]) -> Map:
    return block_reduce(as_map(values), MOST_PIXELS).mean


def _item_trace(item: NDArray[Any]) -> go.Image:
    source = "data:image/png;base64," + base64.b64encode(item_image(item, side=1)).decode()
    return go.Image(source=source, hoverinfo="skip")


def _map_trace(values: Map) -> go.Heatmap:
    template = hover((_("row"), "%{y}"), (_("column"), "%{x}"), (_("attribution"), "%{z:.3g}"))
    return go.Heatmap(z=values, coloraxis="coloraxis", hovertemplate=template)


def _map_scale(limit: float, *, dark: bool) -> dict[str, object]:
    bar = palette.color_bar(_("attribution"), tickformat=".2~g", nticks=5)
    return {"colorscale": palette.diverging(dark=dark), "cmin": -limit, "cmax": limit, "colorbar": bar}


def _square(figure: go.Figure, anchor: str, shape: tuple[int, ...], **where: int) -> None:
    """Pixels are squares and row 0 is on top."""
    figure.update_xaxes(range=[-0.5, shape[1] - 0.5], constrain="domain", **where)
    figure.update_yaxes(range=[shape[0] - 0.5, -0.5], scaleanchor=anchor, constrain="domain", **where)


def _scale_note(limit: float) -> str:
    return _("Purple speaks for it, orange against it; full color from ±{limit}").format(limit=short(limit))


def _caption(text: str) -> go.layout.Annotation:
    return go.layout.Annotation(
        text=f"<b>{text}</b>",
        x=0.5,
        y=1,
        xref="paper",
        yref="paper",
        yanchor="bottom",
        yshift=4,
        showarrow=False,
        font={"size": palette.TEXT_SIZE},
    )


def _frame(name: str, visible: int, caption: str) -> go.Frame:
    """A frame only says which of the two traces is seen."""
    shown = [go.Heatmap(visible=index == visible) for index in range(2)]
    return go.Frame(name=name, data=shown, traces=[0, 1], layout={"annotations": [_caption(caption)]})


def _buttons(*, dark: bool) -> dict[str, object]:
    colors = palette.ink(dark=dark)
    turns = ["after", "before"] * BLINKS
    labels = ((_("Original"), ["before"]), (_("Compressed"), ["after"]), (_("Blink"), turns))
    return {
        "type": "buttons",
        "direction": "right",
        "x": 0,
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom",
        "pad": {"b": 26},
        "showactive": False,
        "bgcolor": colors.surface,
        "bordercolor": colors.muted,
        "font": {"color": colors.text},
        "buttons": [
            {"label": label, "method": "animate", "args": _turns(frames)} for label, frames in labels
        ],
    }


def _turns(frames: Sequence[str]) -> list[object]:
    timing = {"frame": {"duration": BLINK_MS, "redraw": True}, "transition": {"duration": 0}}
    return [list(frames), {"mode": "immediate", **timing}]


def _maps_table(before: Map, after: Map) -> pd.DataFrame:
    """One row for each pixel of the full maps."""
    row, column = (grid.ravel() for grid in np.indices(before.shape))
    first, second = before.ravel(), after.ravel()
    return pd.DataFrame(
        {"row": row, "column": column, "before": first, "after": second, "difference": second - first}
    )


def _maps_alternative(before: Map, after: Map) -> str:
    size, change = float(np.abs(before).sum()), float(np.abs(after - before).sum())
    peaks = [np.unravel_index(int(np.abs(values).argmax()), values.shape) for values in (before, after)]
    said = _(
        "The strongest pixel is at row {row}, column {column} before "
        "and at row {row_after}, column {column_after} after."
    )
    strongest = said.format(
        row=peaks[0][0], column=peaks[0][1], row_after=peaks[1][0], column_after=peaks[1][1]
    )
    if not size:
        return strongest
    moved = _("The maps differ by {change} of the absolute sum of the first one.").format(
        change=f"{100 * change / size:.0f} %"
    )
    return f"{strongest} {moved}"


def attribution_bars(
    features: Sequence[str], before: NDArray[Any], after: NDArray[Any], *, dark: bool = False
) -> Drawn:
    """How much each feature spoke for or against what is asked, before and after, the strongest first.

    before, after [features]; the table holds all of them.
    """
    order = np.argsort(-np.maximum(np.abs(before), np.abs(after)), kind="stable")
    shown = order[:MOST_FEATURES]
    colors = palette.ink(dark=dark)
    names = safe_names([features[i] for i in shown], 28)
    figure = go.Figure()
    for offset, (name, values, color) in enumerate(
        ((_("original"), before, colors.before), (_("compressed"), after, colors.after))
    ):
        figure.add_trace(
            go.Bar(
                x=np.asarray(values)[shown],
                y=np.arange(len(shown)) + (offset - 0.5) * 0.36,
                width=0.34,
                orientation="h",
                name=name,
                marker={"color": color, "line": {"width": 0}},
                hovertext=names,
                hovertemplate=hover((name, "%{x:.3g}"), heading="%{hovertext}"),
            )
        )
    palette.rule(figure, at=0, upright=True, color=colors.text)
    limit = 1.08 * palette.centered(np.asarray(before), np.asarray(after))
    figure.update_xaxes(title_text=_("attribution (against | for)"), range=[-limit, limit])
    figure.update_yaxes(
        tickvals=np.arange(len(shown)), ticktext=names, range=[len(shown) - 0.4, -0.6], showgrid=False
    )
    palette.style(
        figure,
        dark=dark,
        title=_("What each feature says, before and after"),
        subtitle=_("The {shown} strongest of {every} features").format(shown=len(shown), every=len(features)),
        legend=True,
        height=150 + ROW_HEIGHT * max(len(shown), 4),
    )
    figure.update_layout(barmode="overlay")
    table = pd.DataFrame({"feature": list(features), "before": before, "after": after}).iloc[order]
    return Drawn(figure, _bars_alternative(features, before, after), table.reset_index(drop=True))


def _bars_alternative(features: Sequence[str], before: NDArray[Any], after: NDArray[Any]) -> str:
    first, second = int(np.abs(before).argmax()), int(np.abs(after).argmax())
    turned = int((np.sign(before) * np.sign(after) < 0).sum())
    return _(
        "The strongest feature is {before} ({value}) before and {after} ({value_after}) after; "
        "{turned} of {features} features changed sign."
    ).format(
        before=shortened(features[first]),
        value=short(float(before[first])),
        after=shortened(features[second]),
        value_after=short(float(after[second])),
        turned=turned,
        features=len(features),
    )
