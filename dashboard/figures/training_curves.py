"""A training while it goes: the score on validation items after each epoch, and the loss of its steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from compress_core.foundation.number import Number, fixed
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.palette import Ink
from dashboard.figures.words import hover, percent, whole
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.training.objective import TrainingObjective

HEIGHT = 430
MOST_OF_A_LINE = 20  # letters of the title beside the loss, which has little room


@dataclass(frozen=True)
class ScoreWords:
    """What the score of an epoch is called, and how its values are written."""

    title: str
    unit: str

    @property
    def ticks(self) -> str:
        """Of values on an axis, as Plotly writes them."""
        return ".1%" if self.unit == "share" else ".3f"

    @property
    def hovered(self) -> str:
        """Of a value under the pointer, finer."""
        return ".2%" if self.unit == "share" else ".4f"

    def said(self, value: float) -> str:
        """A value in a sentence; one that was not measured says so."""
        if math.isnan(value):
            return _("not measured")
        return percent(value, 2) if self.unit == "share" else fixed(value, 4)


@dataclass(frozen=True)
class StartingPoint:
    """Scores on the same items before the training; None where one is not known yet.

    For a model that nobody compressed both are the same.
    """

    original: Number | None
    compressed: Number | None


def training_curves(
    epochs: pd.DataFrame,
    steps: pd.DataFrame,
    *,
    objective: TrainingObjective,
    of: int,
    before: StartingPoint,
    kept: int | None = None,
    dark: bool = False,
) -> Drawn:
    """Score of what would be stored above, loss below, over the same epochs, as the objective has them.

    epochs: epoch (from 1), loss, learning_rate, score, low, high, n; steps: epoch (a part of one is done),
    loss. of: how many epochs there will be; kept: the epoch whose weights the training gives.
    """
    colors = palette.ink(dark=dark)
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.6, 0.4], vertical_spacing=0.06)
    score = ScoreWords(_(objective.metric.title), objective.metric.unit)
    _add_levels(figure, before, of, score, colors)
    _add_scores(figure, epochs, kept, score, colors)
    _add_losses(figure, epochs, steps, _(objective.loss_name), colors)
    figure.update_xaxes(range=[0, of * 1.03], dtick=_ticks(of))
    figure.update_xaxes(title_text=_("epochs done"), row=2)
    figure.update_yaxes(title_text=score.title, tickformat=score.ticks, row=1)
    figure.update_yaxes(
        title_text="<br>".join(wrap(_(objective.loss_name), MOST_OF_A_LINE)), rangemode="tozero", row=2
    )
    title, subtitle = _title(epochs, of, score), _subtitle(epochs)
    palette.style(figure, dark=dark, title=title, subtitle=subtitle, legend=True, height=HEIGHT)
    alternative = _alternative(epochs, before, kept, of, score, _(objective.loss_name))
    return Drawn(figure, alternative, epochs.reset_index(drop=True))


def _ticks(epochs: int) -> int:
    return max(1, epochs // 10)


def _add_levels(figure: go.Figure, before: StartingPoint, of: int, score: ScoreWords, colors: Ink) -> None:
    """Where the original is, and from where the training began."""
    for name, number, color, dash in (
        (_("original"), before.original, colors.before, "dash"),
        (_("before training"), before.compressed, colors.after, "dot"),
    ):
        if number is None or number.value is None:
            continue
        line = go.Scatter(
            x=[0, of * 1.03],
            y=[number.value] * 2,
            mode="lines",
            line={"color": color, "dash": dash, "width": 1.8},
            name=f"{name} {score.said(number.value)}",
            hoverinfo="skip",
        )
        figure.add_trace(line, row=1, col=1)


def _add_scores(
    figure: go.Figure, epochs: pd.DataFrame, kept: int | None, score: ScoreWords, colors: Ink
) -> None:
    values = epochs["score"].to_numpy(np.float64)
    said = f"%{{y:{score.hovered}}}"
    if _has_intervals(epochs):
        said += f" [%{{customdata[0]:{score.hovered}}}, %{{customdata[1]:{score.hovered}}}]"
    is_kept = (epochs["epoch"] == kept).to_numpy()
    points = go.Scatter(
        x=epochs["epoch"],
        y=values,
        mode="lines+markers",
        name=_("after each epoch"),
        line={"color": colors.gain, "width": 2},
        marker={
            "color": colors.gain,
            "size": np.where(is_kept, 14, 8),
            "symbol": np.where(is_kept, "star", "circle"),
        },
        error_y={
            "type": "data",
            "symmetric": False,
            "array": epochs["high"].to_numpy(np.float64) - values,
            "arrayminus": values - epochs["low"].to_numpy(np.float64),
            "color": colors.gain,
            "thickness": 1.4,
            "width": 3,
        },
        customdata=epochs[["low", "high", "learning_rate"]].to_numpy(np.float64),
        hovertemplate=hover(
            (_("epoch"), "%{x}"),
            (score.title, said),
            (_("Learning rate"), "%{customdata[2]:.2g}"),
        ),
    )
    figure.add_trace(points, row=1, col=1)


def _has_intervals(epochs: pd.DataFrame) -> bool:
    return bool(epochs["low"].notna().any())


def _add_losses(
    figure: go.Figure, epochs: pd.DataFrame, steps: pd.DataFrame, loss_name: str, colors: Ink
) -> None:
    inside = go.Scatter(
        x=steps["epoch"],
        y=steps["loss"],
        mode="lines",
        name=_("loss of the steps"),
        line={"color": colors.muted, "width": 1.2},
        hovertemplate=hover((_("epochs done"), "%{x:.2f}"), (loss_name, "%{y:.4f}")),
    )
    figure.add_trace(inside, row=2, col=1)
    means = go.Scatter(
        x=epochs["epoch"] - 0.5,
        y=epochs["loss"],
        mode="markers",
        name=_("mean of an epoch"),
        marker={"color": colors.text, "size": 7, "symbol": "diamond"},
        customdata=epochs["epoch"],
        hovertemplate=hover((_("epoch"), "%{customdata}"), (loss_name, "%{y:.4f}")),
    )
    figure.add_trace(means, row=2, col=1)


def _title(epochs: pd.DataFrame, of: int, score: ScoreWords) -> str:
    if epochs.empty:
        return _("The first of {count} epochs is under way").format(count=of)
    last = epochs.iloc[-1]
    return _("{metric} on validation items after {epoch} of {count} epochs: {value}").format(
        metric=score.title, value=score.said(float(last["score"])), epoch=int(last["epoch"]), count=of
    )


def _subtitle(epochs: pd.DataFrame) -> str:
    if epochs.empty:
        return _("It is judged at the end of each epoch")
    if not _has_intervals(epochs):
        return _("Of the model as it would be stored; no intervals, N = {items}").format(
            items=whole(float(epochs.iloc[-1]["n"]))
        )
    return _("Of the model as it would be stored; bars: 95 % intervals, N = {items}").format(
        items=whole(float(epochs.iloc[-1]["n"]))
    )


def _alternative(
    epochs: pd.DataFrame,
    before: StartingPoint,
    kept: int | None,
    of: int,
    score: ScoreWords,
    loss_name: str,
) -> str:
    if epochs.empty:
        return _("No epoch is done yet.")
    first, last = epochs.iloc[0], epochs.iloc[-1]
    said = [
        _("{metric} after {epoch} of {count} epochs: {value}. {loss_name} on average: {loss}.").format(
            metric=score.title,
            epoch=int(last["epoch"]),
            count=of,
            value=score.said(float(last["score"])),
            loss_name=f"{loss_name[0].upper()}{loss_name[1:]}",
            loss=f"{last['loss']:.4f}",
        )
    ]
    if len(epochs) > 1:
        said.append(_("In the first epoch it was {loss}.").format(loss=f"{first['loss']:.4f}"))
    if before.compressed is not None and before.compressed.value is not None:
        said.append(_("Before training: {value}.").format(value=score.said(before.compressed.value)))
    if kept is not None:
        said.append(_("The weights of epoch {epoch} are given.").format(epoch=kept))
    return " ".join(said)
