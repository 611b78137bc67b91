"""Every measure at once: parallel coordinates, ranges that models must lie in, the table of those that do."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.bound_widget import by_hand, showing
from dashboard.figures.measures import Measure
from dashboard.figures.parallel_coordinates import Axes, Brush, axes_of, brushes_of, parallel_coordinates
from dashboard.shared_choice import SharedChoice
from dashboard.show import figure, is_dark
from dashboard.text import _
from dashboard.trade_offs import model_list, picked_models

FIGURE, TABLE = "trade_offs.measures", "trade_offs.brushed"
_AXIS, _RANGE = "trade_offs.brush.axis", "trade_offs.brush.range"
USUAL = ("packed_bytes", "bytes", "sparsity", "macs", "accuracy", "worst_class", "churn", "kl", "ece")
_WRITTEN = re.compile(r"([a-z0-9_]{1,40})~(\d{1,3})~(\d{1,3})")
BRUSHED: SharedChoice[str] = SharedChoice(
    "brushed", "", lambda text: text if all(map(_WRITTEN.fullmatch, text.split("!"))) else None
)


def draw(models: pd.DataFrame, offered: Sequence[Measure], up: Measure, here: str) -> None:  # noqa: ARG001 - as all
    """The figure, whose axes are brushed by drawing a box or by a range, and the models within."""
    axes = axes_of(models, [measure for measure in offered if measure.name in USUAL])
    brushes = brushed()
    drawn = parallel_coordinates(models, axes, brushes, letters=picked_models.letters(models), dark=is_dark())
    figure(drawn, FIGURE, on_click=lambda: _take_over(axes), boxes=True)
    _by_range(axes, brushes)
    inside = models[axes.within(brushes)].reset_index(drop=True)
    model_list.draw_table(inside, offered, here, TABLE)


def brushed() -> tuple[Brush, ...]:
    """The ranges that models must lie in."""
    found = (_WRITTEN.fullmatch(text) for text in BRUSHED.chosen().split("!"))
    return tuple(Brush(one[1], int(one[2]) / 100, int(one[3]) / 100) for one in found if one is not None)


def brush(changed: Sequence[Brush]) -> None:
    """Brush these axes anew; the others stay as they are. One that lets everything through is let go."""
    ranges = {one.measure: one for one in (*brushed(), *changed)}
    kept = [one for one in ranges.values() if one.low > 0 or one.high < 1]
    BRUSHED.choose("!".join(f"{b.measure}~{round(100 * b.low)}~{round(100 * b.high)}" for b in kept))


def _take_over(axes: Axes) -> None:
    """What was drawn over the figure; one that is drawn anew says that nothing is, which means nothing."""
    boxes = st.session_state[FIGURE]["selection"].get("box", [])
    drawn = [one for box in boxes for one in brushes_of(box, axes)]
    if drawn:
        brush(drawn)


def _by_range(axes: Axes, brushes: Sequence[Brush]) -> None:
    """The same without drawing: an axis, and from where to where in shares of its height."""
    which, between, clear = st.columns([2, 4, 1.3], vertical_alignment="bottom")
    titles = {measure.name: measure for measure in axes.measures}
    name = which.selectbox(
        _("Keep those within a part of"), list(titles), format_func=lambda name: titles[name].axis, key=_AXIS
    )
    now = next((one for one in brushes if one.measure == name), Brush(name, 0.0, 1.0))
    key = f"{_RANGE}.{name}"
    place = [measure.name for measure in axes.measures].index(name)
    ends = [titles[name].said(axes.value(place, end)) for end in (now.low, now.high)]
    between.slider(
        _("from {low} to {high} (0 % is the worst, 100 % the best)").format(low=ends[0], high=ends[1]),
        0,
        100,
        key=showing(key, (round(100 * now.low), round(100 * now.high))),
        format="%d %%",
        on_change=by_hand(key, lambda: brush([_ranged(name, key)])),
    )
    clear.button(
        _("Clear"),
        key="trade_offs.brush.clear",
        icon=":material/ink_eraser:",
        disabled=not brushes,
        on_click=BRUSHED.choose,
        args=("",),
        width="stretch",
    )


def _ranged(name: str, key: str) -> Brush:
    low, high = st.session_state[key]
    return Brush(name, low / 100, high / 100)
