"""A training while it goes: accuracy on validation items after each epoch, and the loss of its steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from compress_core.foundation.number import Number
from dashboard.figures import palette
from dashboard.figures.drawn import Drawn
from dashboard.figures.palette import Ink
from dashboard.figures.words import hover, percent, whole
from dashboard.text import _

HEIGHT = 430


@dataclass(frozen=True)
class StartingPoint:
    """Accuracies on the same items before the training; None where one is not known yet.

    For a model that nobody compressed both are the same.
    """

    original: Number | None
    compressed: Number | None


def training_curves(
    epochs: pd.DataFrame,
    steps: pd.DataFrame,
    *,
    of: int,
    before: StartingPoint,
    kept: int | None = None,
    dark: bool = False,
) -> Drawn:
    """Accuracy of what would be stored above, loss in nats below, over the same epochs.

    epochs: epoch (from 1), loss, learning_rate, accuracy, low, high (shares), n; steps: epoch (a part of one
    is done), loss. of: how many epochs there will be; kept: the epoch whose weights the training gives.
    """
    colors = palette.ink(dark=dark)
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.6, 0.4], vertical_spacing=0.06)
    _add_levels(figure, before, of, colors)
    _add_accuracy(figure, epochs, kept, colors)
    _add_losses(figure, epochs, steps, colors)
    figure.update_xaxes(range=[0, of * 1.03], dtick=_ticks(of))
    figure.update_xaxes(title_text=_("epochs done"), row=2)
    figure.update_yaxes(title_text=_("validation accuracy"), tickformat=".1%", row=1)
    figure.update_yaxes(title_text=_("loss (nat)"), rangemode="tozero", row=2)
    palette.style(
        figure, dark=dark, title=_title(epochs, of), subtitle=_subtitle(epochs), legend=True, height=HEIGHT
    )
    return Drawn(figure, _alternative(epochs, before, kept, of), epochs.reset_index(drop=True))


def _ticks(epochs: int) -> int:
    return max(1, epochs // 10)


def _add_levels(figure: go.Figure, before: StartingPoint, of: int, colors: Ink) -> None:
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
            name=f"{name} {percent(number.value, 2)}",
            hoverinfo="skip",
        )
        figure.add_trace(line, row=1, col=1)


def _add_accuracy(figure: go.Figure, epochs: pd.DataFrame, kept: int | None, colors: Ink) -> None:
    values = epochs["accuracy"].to_numpy(np.float64)
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
            (_("validation accuracy"), "%{y:.2%} [%{customdata[0]:.2%}, %{customdata[1]:.2%}]"),
            (_("Learning rate"), "%{customdata[2]:.2g}"),
        ),
    )
    figure.add_trace(points, row=1, col=1)


def _add_losses(figure: go.Figure, epochs: pd.DataFrame, steps: pd.DataFrame, colors: Ink) -> None:
    inside = go.Scatter(
        x=steps["epoch"],
        y=steps["loss"],
        mode="lines",
        name=_("loss of the steps"),
        line={"color": colors.muted, "width": 1.2},
        hovertemplate=hover((_("epochs done"), "%{x:.2f}"), (_("loss"), "%{y:.4f} nat")),
    )
    figure.add_trace(inside, row=2, col=1)
    means = go.Scatter(
        x=epochs["epoch"] - 0.5,
        y=epochs["loss"],
        mode="markers",
        name=_("mean of an epoch"),
        marker={"color": colors.text, "size": 7, "symbol": "diamond"},
        customdata=epochs["epoch"],
        hovertemplate=hover((_("epoch"), "%{customdata}"), (_("mean loss"), "%{y:.4f} nat")),
    )
    figure.add_trace(means, row=2, col=1)


def _title(epochs: pd.DataFrame, of: int) -> str:
    if epochs.empty:
        return _("The first of {count} epochs is under way").format(count=of)
    last = epochs.iloc[-1]
    return _("{accuracy} right on validation items after {epoch} of {count} epochs").format(
        accuracy=percent(float(last["accuracy"]), 2), epoch=int(last["epoch"]), count=of
    )


def _subtitle(epochs: pd.DataFrame) -> str:
    if epochs.empty:
        return _("Accuracy is measured at the end of each epoch")
    return _("Of the model as it would be stored; bars: 95 % intervals, N = {items}").format(
        items=whole(float(epochs.iloc[-1]["n"]))
    )


def _alternative(epochs: pd.DataFrame, before: StartingPoint, kept: int | None, of: int) -> str:
    if epochs.empty:
        return _("No epoch is done yet.")
    first, last = epochs.iloc[0], epochs.iloc[-1]
    said = [
        _("After {epoch} of {count} epochs {accuracy} are right, the mean loss is {loss} nat.").format(
            epoch=int(last["epoch"]),
            count=of,
            accuracy=percent(float(last["accuracy"]), 2),
            loss=f"{last['loss']:.4f}",
        )
    ]
    if len(epochs) > 1:
        said.append(_("In the first epoch it was {loss}.").format(loss=f"{first['loss']:.4f}"))
    if before.compressed is not None and before.compressed.value is not None:
        said.append(
            _("Before training {share} were right.").format(share=percent(before.compressed.value, 2))
        )
    if kept is not None:
        said.append(_("The weights of epoch {epoch} are given.").format(epoch=kept))
    return " ".join(said)
