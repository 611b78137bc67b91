"""How long a batch takes in every runtime, original beside compressed, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.words import hover, safe, shortened
from dashboard.text import _

BAR = 34


@dataclass(frozen=True)
class TimedBar:
    """A network in a runtime: milliseconds for one batch with their interval, and times faster.

    faster: than the original in the same family of runtimes, low and high its interval; NaN where that
    was not measured.
    """

    runtime: str
    is_original: bool
    batch: int
    milliseconds: float
    low: float
    high: float
    faster: float = float("nan")
    faster_low: float = float("nan")
    faster_high: float = float("nan")


def latency_bars(timed: Sequence[TimedBar], *, dark: bool = False) -> Drawn:
    """A panel for each batch size, a row for each runtime, original and compressed one above the other."""
    batches = sorted({bar.batch for bar in timed})
    rows = list(dict.fromkeys((bar.runtime, bar.is_original) for bar in timed))
    rows.sort(key=lambda row: [bar.runtime for bar in timed].index(row[0]))
    figure = make_subplots(
        1, max(1, len(batches)), shared_yaxes=True, horizontal_spacing=0.05, subplot_titles=_panels(batches)
    )
    for column, batch in enumerate(batches, 1):
        for is_original in (True, False):
            chosen = [bar for bar in timed if bar.batch == batch and bar.is_original is is_original]
            if chosen:
                _add(figure, chosen, rows, column, dark=dark)
        longest = max((bar.high for bar in timed if bar.batch == batch), default=1.0)
        figure.update_xaxes(
            title_text=_("milliseconds for a batch of {batch}").format(batch=batch),
            range=[0, 1.32 * longest],
            row=1,
            col=column,
        )
    figure.update_yaxes(
        tickvals=np.arange(len(rows)),
        ticktext=[safe(runtime) for runtime, _is_original in rows],
        range=[len(rows) - 0.4, -0.6],
        showgrid=False,
    )
    palette.style(
        figure,
        dark=dark,
        title=_title(timed),
        subtitle=_(
            "Turns on one thread, 95 % interval over several processes; behind a bar: times faster than "
            "the original there"
        ),
        legend=True,
        height=150 + BAR * len(rows),
    )
    figure.update_layout(margin_t=palette.TITLE_LINE + 2 * palette.SUBTITLE_LINE)
    return Drawn(figure, _alternative(timed), _table(timed))


def _panels(batches: Sequence[int]) -> list[str]:
    return [
        _("one item at a time") if batch == 1 else _("{batch} items at once").format(batch=batch)
        for batch in batches
    ]


def _add(
    figure: go.Figure, bars: Sequence[TimedBar], rows: Sequence[tuple[str, bool]], column: int, *, dark: bool
) -> None:
    """The bars of one network in one panel."""
    colors = palette.ink(dark=dark)
    is_original = bars[0].is_original
    label = _("original") if is_original else _("compressed")
    places = np.array([rows.index((bar.runtime, bar.is_original)) for bar in bars])
    middle = np.array([bar.milliseconds for bar in bars])
    low, high = np.array([bar.low for bar in bars]), np.array([bar.high for bar in bars])
    figure.add_trace(
        go.Bar(
            x=middle,
            y=places,
            orientation="h",
            width=0.62,
            name=label,
            legendgroup=label,
            showlegend=column == 1,
            marker={"color": colors.before if is_original else colors.after, "line": {"width": 0}},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": high - middle,
                "arrayminus": middle - low,
                "color": colors.text,
                "thickness": 1.2,
                "width": 3,
            },
            customdata=np.stack([low, high], axis=1),
            hovertemplate=hover(
                (_("milliseconds"), "%{x:.4g} [%{customdata[0]:.4g}, %{customdata[1]:.4g}]"), heading=label
            ),
        ),
        row=1,
        col=column,
    )
    for bar, place in zip(bars, places, strict=True):
        figure.add_annotation(
            x=bar.high,
            y=int(place),
            text=_written(bar),
            showarrow=False,
            xanchor="left",
            xshift=8,
            row=1,
            col=column,
        )


def _written(bar: TimedBar) -> str:
    time = f"{bar.milliseconds:.3g} ms"
    return time if bar.is_original or not np.isfinite(bar.faster) else f"{time} · <b>{bar.faster:.2f}x</b>"


def _best(timed: Sequence[TimedBar]) -> TimedBar | None:
    """The bar that is surely faster by most; None where none is."""
    sure = [bar for bar in timed if not bar.is_original and bar.faster_low > 1]
    return max(sure, key=lambda bar: bar.faster, default=None)


def _title(timed: Sequence[TimedBar]) -> str:
    best = _best(timed)
    if not any(not bar.is_original for bar in timed):
        return _("How long the original takes")
    if best is None:
        return _("In no runtime is it surely faster than the original")
    return _("Up to {times} times faster: {runtime}, batch of {batch}").format(
        times=f"{best.faster:.1f}", runtime=safe(best.runtime), batch=best.batch
    )


def _alternative(timed: Sequence[TimedBar]) -> str:
    if not timed:
        return _("There is no item to show.")
    said = []
    for batch in sorted({bar.batch for bar in timed}):
        chosen = [bar for bar in timed if bar.batch == batch]
        times = {
            _("original"): [_named(bar) for bar in chosen if bar.is_original],
            _("compressed"): [_named(bar) for bar in chosen if not bar.is_original],
        }
        parts = [f"{model}: {', '.join(named)}" for model, named in times.items() if named]
        said.append(
            _("Milliseconds for a batch of {batch}, {times}.").format(batch=batch, times="; ".join(parts))
        )
    return " ".join(said)


def _named(bar: TimedBar) -> str:
    return f"{shortened(bar.runtime)} {bar.milliseconds:.3g}"


def _table(timed: Sequence[TimedBar]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "runtime": [bar.runtime for bar in timed],
            "side": ["original" if bar.is_original else "compressed" for bar in timed],
            "batch": [bar.batch for bar in timed],
            "milliseconds": [bar.milliseconds for bar in timed],
            "low": [bar.low for bar in timed],
            "high": [bar.high for bar in timed],
            "times_faster": [bar.faster for bar in timed],
            "times_faster_low": [bar.faster_low for bar in timed],
            "times_faster_high": [bar.faster_high for bar in timed],
        }
    )
