"""What it costs to store: bytes by item, and the levels that a quantizer can write."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from dashboard.figures import palette
from dashboard.figures.contrast import text_on
from dashboard.figures.drawn import Drawn
from dashboard.figures.palette import OKABE_ITO
from dashboard.figures.words import hover, in_bytes, percent, unit_of_bytes
from dashboard.text import _

WRITE_FROM = 0.12


@dataclass(frozen=True)
class Bytes:
    """Bytes of a model as stored: its weights by item, and the rest (biases, norms, buffers)."""

    values: int
    positions: int
    tables: int
    rest: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.values + self.positions + self.tables + self.rest


def bytes_by_item(before: Bytes, after: Bytes, *, dark: bool = False) -> Drawn:
    """What a model takes, by what the bytes are for: left both on one scale, right the shares of each."""
    figure = make_subplots(1, 2, column_widths=[0.6, 0.4], shared_yaxes=True, horizontal_spacing=0.04)
    for label, color, counts in _items(before, after):
        _add_item(figure, label, color, counts, np.array([before.total, after.total]))
    _write_totals(figure, before, after, dark=dark)
    unit, divisor = unit_of_bytes(max(before.total, after.total))
    longest = 1.5 * max(before.total, after.total, 1) / divisor
    figure.update_xaxes(title_text=_("size ({unit})").format(unit=unit), range=[0, longest], row=1, col=1)
    figure.update_xaxes(title_text=_("share of each"), range=[0, 1], tickformat=".0%", row=1, col=2)
    figure.update_yaxes(range=[1.5, -0.5], showgrid=False)
    figure.update_yaxes(tickvals=np.arange(2), ticktext=[_("original"), _("compressed")], row=1, col=1)
    palette.style(figure, dark=dark, title=_size_title(before, after), legend=True, height=240)
    figure.update_layout(barmode="stack")
    return Drawn(figure, _size_alternative(before, after), _size_table(before, after))


def _items(before: Bytes, after: Bytes) -> list[tuple[str, str, NDArray[np.int64]]]:
    """Name, color and bytes before and after of each item."""
    return [
        (_("values"), OKABE_ITO[0], np.array([before.values, after.values])),
        (_("positions"), OKABE_ITO[3], np.array([before.positions, after.positions])),
        (_("tables"), OKABE_ITO[2], np.array([before.tables, after.tables])),
        (_("rest"), OKABE_ITO[4], np.array([before.rest, after.rest])),
    ]


def _add_item(
    figure: go.Figure, label: str, color: str, counts: NDArray[np.int64], totals: NDArray[np.int64]
) -> None:
    """The item's piece of each bar, in bytes and as a share of its own model."""
    shares = counts / np.maximum(totals, 1)
    common = {"y": np.arange(2), "orientation": "h", "width": 0.58, "name": label, "legendgroup": label}
    look = {
        "marker": {"color": color, "line": {"width": 0}},
        "customdata": np.array([in_bytes(c) for c in counts]),
    }
    size = counts / unit_of_bytes(int(totals.max()))[1]
    figure.add_trace(go.Bar(x=size, **common, **look, hovertemplate=hover((label, "%{customdata}"))), 1, 1)
    written = {
        "text": [percent(share) if share >= WRITE_FROM else "" for share in shares],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "insidetextfont": {"color": text_on(color)},
        "textangle": 0,
        "hovertemplate": hover((label, "%{customdata} (%{x:.1%})")),
    }
    figure.add_trace(go.Bar(x=shares, **common, **look, **written, showlegend=False), 1, 2)


def _write_totals(figure: go.Figure, before: Bytes, after: Bytes, *, dark: bool) -> None:
    divisor = unit_of_bytes(max(before.total, after.total))[1]
    for row, model in enumerate((before, after)):
        figure.add_annotation(
            x=model.total / divisor,
            y=row,
            text=f"<b>{in_bytes(model.total)}</b>",
            showarrow=False,
            xanchor="left",
            xshift=6,
            font={"color": palette.ink(dark=dark).text},
        )


def _size_title(before: Bytes, after: Bytes) -> str:
    if not after.total:
        return _("Bytes by item")
    return _("{ratio} times smaller: bytes by item").format(ratio=f"{before.total / after.total:.1f}")


def _size_table(before: Bytes, after: Bytes) -> pd.DataFrame:
    fields = ("values", "positions", "tables", "rest", "total")
    rows = [
        {"side": name, **{f: getattr(model, f) for f in fields}}
        for name, model in (("before", before), ("after", after))
    ]
    return pd.DataFrame(rows)


def _size_alternative(before: Bytes, after: Bytes) -> str:
    return _(
        "The original takes {before}, the compressed model {after} ({share} of it): {values} for values, "
        "{positions} for positions, {tables} for tables and {rest} for the rest."
    ).format(
        before=in_bytes(before.total),
        after=in_bytes(after.total),
        share=percent(after.total / max(before.total, 1)),
        values=in_bytes(after.values),
        positions=in_bytes(after.positions),
        tables=in_bytes(after.tables),
        rest=in_bytes(after.rest),
    )
