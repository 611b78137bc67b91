"""How large a model is in every way people count it, one bar each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.words import hover, in_bytes, safe, shortened, unit_of_bytes
from dashboard.text import _

BAR = 24


@dataclass(frozen=True)
class Way:
    """One way to count: how it is called and its bytes; None where its file has not been made.

    is_original: the model as loaded; is_zipped: another way with gzip over it, drawn paler.
    """

    label: str
    size: int | None
    is_original: bool = False
    is_zipped: bool = False


def bytes_side_by_side(ways: Sequence[Way], *, dark: bool = False) -> Drawn:
    """A bar for each way to count a model's bytes, the model as loaded on top."""
    colors = palette.ink(dark=dark)
    counted = np.array([way.size or 0 for way in ways], dtype=np.float64)
    largest = float(counted.max(initial=1.0))
    unit, divisor = unit_of_bytes(largest)
    figure = go.Figure(
        go.Bar(
            x=counted / divisor,
            y=np.arange(len(ways)),
            orientation="h",
            width=0.66,
            marker={
                "color": [colors.before if way.is_original else colors.after for way in ways],
                "opacity": np.array([0.5 if way.is_zipped else 1.0 for way in ways]),
                "line": {"width": 0},
            },
            customdata=np.array([in_bytes(size) for size in counted]),
            hovertemplate=hover(("%{y}", "%{customdata}")),
        )
    )
    original = next((way.size for way in ways if way.is_original), None)
    for row, way in enumerate(ways):
        figure.add_annotation(
            x=(way.size or 0) / divisor,
            y=row,
            text=_written(way, original),
            showarrow=False,
            xanchor="left",
            xshift=6,
            font={"color": colors.muted if way.size is None else colors.text},
        )
    figure.update_xaxes(title_text=_("size ({unit})").format(unit=unit), range=[0, 1.3 * largest / divisor])
    figure.update_yaxes(
        tickvals=np.arange(len(ways)),
        ticktext=[safe(way.label) for way in ways],
        range=[len(ways) - 0.4, -0.6],
        showgrid=False,
    )
    palette.style(
        figure,
        dark=dark,
        title=_title(ways),
        subtitle=_("The same model counted in every usual way; paler: the way above with gzip over it"),
        height=130 + BAR * len(ways),
    )
    return Drawn(figure, _alternative(ways), _table(ways))


def _written(way: Way, original: int | None) -> str:
    if way.size is None:
        return f"<i>{_('not made yet')}</i>"
    if way.is_original or not original or not way.size:
        return f"<b>{in_bytes(way.size)}</b>"
    return f"<b>{in_bytes(way.size)}</b> · {original / way.size:.1f}x"


def _smallest(ways: Sequence[Way]) -> Way | None:
    made = [way for way in ways if way.size and not way.is_original]
    return min(made, key=lambda way: way.size or 0, default=None)


def _title(ways: Sequence[Way]) -> str:
    original = next((way.size for way in ways if way.is_original), None)
    best = _smallest(ways)
    if best is None or not original or not best.size:
        return _("Bytes side by side")
    if best.size > 0.95 * original:
        return _("However it is counted, it is about as large as the original, or larger")
    return _("At best {ratio} times smaller: {way}").format(
        ratio=f"{original / best.size:.1f}", way=safe(best.label)
    )


def _alternative(ways: Sequence[Way]) -> str:
    said = [f"{shortened(way.label)} {in_bytes(way.size)}" for way in ways if way.size is not None]
    return _("Bytes: {ways}.").format(ways=", ".join(said))


def _table(ways: Sequence[Way]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "way": [way.label for way in ways],
            "bytes": pd.array([way.size for way in ways], dtype="Int64"),
            "gzip": [way.is_zipped for way in ways],
        }
    )
