"""A wave over time, colored along it by how much each moment speaks for or against what is asked."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image
from plotly.colors import unlabel_rgb
from plotly.subplots import make_subplots

from compress_core.numerics.arrays import Floats
from compress_core.numerics.wave_pixels import columns_of, rows_reached, wave_pixels
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.words import hover, short
from dashboard.text import _

MOST_STRIPES = 400
MOST_ROWS = 6
ROW_HEIGHT, LEAST_HEIGHT = 120, 330
SATURATION = 0.995
PICTURE = (240, 80)  # pixels across and down
_GRAY = (128, 128, 128)  # is seen on a light page and on a dark one


@dataclass(frozen=True, eq=False)
class Stripes:
    """A wave in stripes of equally many samples: middle [s] in samples, low and high [channels, s].

    attribution [s]: the mean over the samples of a stripe; each: how many samples that are.
    """

    middle: Floats
    low: Floats
    high: Floats
    each: int


def wave_lines(
    wave: NDArray[Any],
    before: NDArray[Any],
    after: NDArray[Any],
    *,
    rate: float | None = None,
    dark: bool = False,
) -> Drawn:
    """The same wave twice, colored by the attribution of both models on one scale centered at zero.

    wave [channels, samples]; before, after [samples], or [channels, samples] whose channels are added up.
    rate: samples a second where that is known, so that time is in seconds. Long waves are drawn in stripes
    that reach from the lowest to the highest value of their samples; the table holds every sample.
    """
    first, second = _over_time(before), _over_time(after)
    stripes = _stripes(wave[:MOST_ROWS])
    colored = [_means(values, stripes.each) for values in (first, second)]
    limit = palette.centered(*colored, quantile=SATURATION)
    rows = len(stripes.low)
    figure = make_subplots(
        rows,
        2,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        vertical_spacing=0.12 / rows,
        column_titles=[_("Original"), _("Compressed")],
    )
    for column, values in enumerate(colored, start=1):
        for row in range(rows):
            _add_wave(figure, stripes, values, row, column, rate=rate, dark=dark)
    bar = palette.color_bar(_("attribution"), tickformat=".2~g", nticks=5)
    scale = {"colorscale": palette.diverging(dark=dark), "cmin": -limit, "cmax": limit, "colorbar": bar}
    figure.update_layout(coloraxis=scale, bargap=0)
    figure.update_xaxes(title_text=_time_title(rate), row=rows)
    for row in range(rows):
        title = _("value") if rows == 1 else _("channel {number}").format(number=row)
        figure.update_yaxes(title_text=title, row=row + 1, col=1)
    palette.style(
        figure,
        dark=dark,
        title=_("What the model listens to, before and after"),
        subtitle=_note(limit, stripes.each, rows, len(wave)),
        height=max(LEAST_HEIGHT, 170 + ROW_HEIGHT * rows),
    )
    figure.update_layout(margin={"t": 96})
    figure.update_annotations(font={"size": palette.TEXT_SIZE, "color": palette.ink(dark=dark).text})
    return Drawn(figure, _alternative(wave, first, second, rate), _table(wave, first, second, rate))


def wave_picture(
    wave: NDArray[Any], attribution: NDArray[Any] | None = None, limit: float = 1.0, *, dark: bool = False
) -> bytes:
    """A wave as a small PNG on no ground, its channels one below the other; colored where a map is given.

    wave [channels, samples]; attribution [samples] or [channels, samples], full color from the limit on.
    """
    across, down = PICTURE
    shown = wave[:MOST_ROWS].astype(np.float64)
    inside = wave_pixels(shown, across, down)
    pixels = np.zeros((*inside.shape, 4), np.uint8)
    pixels[..., :3] = _column_colors(attribution, columns_of(shown.shape[1], across), limit, dark=dark)
    pixels[..., 3] = np.where(inside, 255, 0)
    if attribution is not None:  # a thin line that is seen where the color is that of the page
        height = len(pixels) // len(shown)
        for row, values in enumerate(shown):
            middle = row * height + rows_reached(values, across, height).sum(axis=0) // 2
            pixels[middle, np.arange(across), :3] = _GRAY
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _column_colors(
    attribution: NDArray[Any] | None, columns: NDArray[np.int64], limit: float, *, dark: bool
) -> NDArray[np.uint8]:
    if attribution is None:
        return np.full((len(columns), 3), _GRAY, np.uint8)
    values = _over_time(attribution)
    means = np.array([values[begin : end + 1].mean() for begin, end in columns])
    share = (np.clip(np.nan_to_num(means) / (limit or 1.0), -1, 1) + 1) / 2
    colors = palette.colors_at(palette.diverging(dark=dark), share)
    return np.round([unlabel_rgb(color) for color in colors]).astype(np.uint8)


def _over_time(values: NDArray[Any]) -> Floats:
    """A map [samples], from that or from [channels, samples], whose channels are added up."""
    return (values.sum(axis=0) if values.ndim == 2 else values).astype(np.float64)


def _stripes(wave: NDArray[Any]) -> Stripes:
    """A stripe reaches over its samples and to the next one, so that the line has no gaps."""
    samples = wave.shape[1]
    each = -(-samples // MOST_STRIPES)
    begins = np.arange(0, samples, each)
    parts = [wave[:, begin : begin + each + 1] for begin in begins]
    low, high = (np.stack([take(part, axis=1) for part in parts], axis=1) for take in (np.min, np.max))
    middle = begins + (np.minimum(begins + each, samples) - begins - 1) / 2
    return Stripes(middle, low.astype(np.float64), high.astype(np.float64), each)


def _means(values: Floats, each: int) -> Floats:
    begins = np.arange(0, values.size, each)
    counts = np.minimum(begins + each, values.size) - begins
    means: Floats = np.add.reduceat(values, begins) / counts
    return means


def _add_wave(
    figure: go.Figure,
    stripes: Stripes,
    attribution: Floats,
    row: int,
    column: int,
    *,
    rate: float | None,
    dark: bool,
) -> None:
    """A thin line that is seen everywhere, and stripes of color over it, as thick as can be seen."""
    low, high, at = stripes.low[row], stripes.high[row], stripes.middle / (rate or 1)
    least = 0.03 * float(high.max() - low.min() or 1.0)
    thick = np.maximum(high - low, least)
    line = go.Scatter(
        x=at,
        y=(low + high) / 2,
        mode="lines",
        line={"color": palette.ink(dark=dark).muted, "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )
    colored = go.Bar(
        x=at,
        base=(low + high - thick) / 2,
        y=thick,
        width=stripes.each / (rate or 1),
        marker={"color": attribution, "coloraxis": "coloraxis", "line": {"width": 0}},
        customdata=np.stack([low, high], axis=1),
        hovertemplate=hover(
            (_time_title(rate), "%{x:.6~g}"),
            (_("value"), "%{customdata[0]:.3g} – %{customdata[1]:.3g}"),
            (_("attribution"), "%{marker.color:.3g}"),
        ),
        showlegend=False,
    )
    figure.add_trace(line, row=row + 1, col=column)
    figure.add_trace(colored, row=row + 1, col=column)


def _time_title(rate: float | None) -> str:
    return _("sample") if rate is None else _("time (s)")


def _note(limit: float, each: int, rows: int, channels: int) -> str:
    said = _("Purple speaks for it, orange against it; full color from ±{limit}").format(limit=short(limit))
    if each > 1:
        said += _("; each stripe = mean of {count} samples").format(count=each)
    if rows < channels:
        said += _("; the first {shown} of {every} channels").format(shown=rows, every=channels)
    return said


def _table(wave: NDArray[Any], before: Floats, after: Floats, rate: float | None) -> pd.DataFrame:
    """A row for each sample: when, the value of each channel, and what both models make of it."""
    samples = np.arange(wave.shape[1])
    time = {} if rate is None else {"second": samples / rate}
    values = {f"channel_{number}": wave[number] for number in range(len(wave))}
    found = {"before": before, "after": after, "difference": after - before}
    return pd.DataFrame({"sample": samples, **time, **values, **found})


def _alternative(wave: NDArray[Any], before: Floats, after: Floats, rate: float | None) -> str:
    first, second = (_moment(int(np.abs(values).argmax()), rate) for values in (before, after))
    said = [
        _("A wave of {samples} samples; channels: {channels}.").format(
            samples=wave.shape[1], channels=len(wave)
        ),
        _("The strongest moment is {before} before and {after} after.").format(before=first, after=second),
    ]
    size = float(np.abs(before).sum())
    if size:
        change = f"{100 * float(np.abs(after - before).sum()) / size:.0f} %"
        said.append(
            _("The maps differ by {change} of the absolute sum of the first one.").format(change=change)
        )
    return " ".join(said)


def _moment(sample: int, rate: float | None) -> str:
    if rate is None:
        return f"#{sample}"
    return _("{seconds} s").format(seconds=short(sample / rate))
