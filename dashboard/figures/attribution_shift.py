"""Whether models look elsewhere on just the items that changed: those beside a random sample, one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compress_core.foundation.number import Number, fixed
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.interval_bars import interval_bars
from dashboard.figures.palette import Ink
from dashboard.figures.words import hover, safe, whole
from dashboard.text import _, spoken

KINDS = ("flips", "sample")  # which items, the upper row first
LONGEST = 120  # of a reason, in signs
ROLES = ("similarity", "ceiling", "floor")
_LIFT: Mapping[str, float] = MappingProxyType({"similarity": 0.0, "ceiling": 0.2, "floor": -0.2})
_SYMBOLS: Mapping[str, str] = MappingProxyType(
    {"similarity": "circle", "ceiling": "line-ns-open", "floor": "line-ns-open"}
)


def attribution_shift(
    numbers: Mapping[str, Mapping[str, Number]], *, method: str, dark: bool = False
) -> Drawn:
    """A row for the items that changed and one for the sample: before against after, noise, chance.

    numbers: for each of KINDS the median rank correlation of its maps (similarity), of the original's own
    under tiny noise (ceiling), and what chance gives (floor).
    """
    colors = palette.ink(dark=dark)
    table = _table(numbers)
    figure = go.Figure()
    for role in ROLES:
        _add_role(figure, table[table["role"] == role], role, colors)
    _say_what_is_missing(figure, numbers, colors)
    names = kind_names()
    figure.update_yaxes(
        tickvals=[1, 0], ticktext=[names[kind] for kind in KINDS], range=[-0.5, 1.5], showgrid=False
    )
    figure.update_xaxes(title_text=_("median rank correlation of the maps (1 = the same map)"))
    said = _alternative(numbers)
    palette.style(
        figure,
        dark=dark,
        title=_("Maps of {method} on the items that changed, and on a random sample").format(method=method),
        subtitle=_(
            "Dot: before against after. Between noise (the best it can be) and chance; 95 % intervals"
        ),
        legend=True,
        height=300,
    )
    return Drawn(figure, said, table)


def kind_names() -> Mapping[str, str]:
    """What the rows are called in the visitor's language."""
    return MappingProxyType({"flips": _("items that changed"), "sample": _("a random sample")})


def _role_names() -> Mapping[str, str]:
    return MappingProxyType(
        {
            "similarity": _("before against after"),
            "ceiling": _("original under tiny noise"),
            "floor": _("chance"),
        }
    )


def _table(numbers: Mapping[str, Mapping[str, Number]]) -> pd.DataFrame:
    """A row for each number, those that are missing too."""
    return pd.DataFrame(
        [
            {
                "which": kind,
                "role": role,
                "value": np.nan if number.value is None else number.value,
                "low": np.nan if number.low is None else number.low,
                "high": np.nan if number.high is None else number.high,
                "n": number.n,
                "not_measured": "" if number.value is not None else str(number.reason or ""),
            }
            for kind in KINDS
            for role, number in ((role, numbers[kind][role]) for role in ROLES)
        ]
    )


def _add_role(figure: go.Figure, rows: pd.DataFrame, role: str, colors: Ink) -> None:
    shown = rows.dropna(subset=["value"])
    color = {"similarity": colors.after, "ceiling": colors.before, "floor": colors.muted}[role]
    values, low, high = (shown[name].to_numpy(np.float64) for name in ("value", "low", "high"))
    figure.add_trace(
        go.Scatter(
            x=np.round(values, 4),
            y=[1 - KINDS.index(kind) + _LIFT[role] for kind in shown["which"]],
            mode="markers",
            name=_role_names()[role],
            marker={
                "color": color,
                "symbol": _SYMBOLS[role],
                "size": 11 if role == "similarity" else 16,
                "line": {"color": color, "width": 2.5},
            },
            error_x=interval_bars(values, low, high, color, thickness=1.8, width=4),
            customdata=[[whole(n or 0)] for n in shown["n"]],
            hovertemplate=hover((_role_names()[role], "%{x:.3f}"), (_("items"), "%{customdata[0]}")),
        )
    )


def _say_what_is_missing(figure: go.Figure, numbers: Mapping[str, Mapping[str, Number]], colors: Ink) -> None:
    """A row without its dot says why."""
    for place, kind in enumerate(KINDS):
        number = numbers[kind]["similarity"]
        if number.value is None:
            figure.add_annotation(
                x=0.5,
                xref="paper",
                y=1 - place,
                text=safe(_not_measured(number), LONGEST),
                showarrow=False,
                font={"color": colors.text},
            )


def _not_measured(number: Number) -> str:
    return _("not measured: {why}").format(why=spoken(number.reason or ""))


def _alternative(numbers: Mapping[str, Mapping[str, Number]]) -> str:
    return " ".join(_sentence(kind_names()[kind], numbers[kind]) for kind in KINDS)


def _sentence(kind: str, found: Mapping[str, Number]) -> str:
    values: Sequence[float | None] = [found[role].value for role in ROLES]
    if values[0] is None:
        return f"{kind}: {_not_measured(found['similarity'])}"
    told = [_("not measured") if value is None else fixed(value) for value in values]
    return _("{items}: {similarity} before against after, {ceiling} under noise, {floor} by chance.").format(
        items=kind, similarity=told[0], ceiling=told[1], floor=told[2]
    )
