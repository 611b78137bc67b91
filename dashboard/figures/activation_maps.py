"""Where activations are zero: what each layer reads, channel by channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.figures.drawn import Drawn
from dashboard.figures.sparsity_maps import channel_heatmap, channel_table
from dashboard.figures.words import percent, whole
from dashboard.text import _


def activations_by_channel(
    shares: Mapping[str, NDArray[Any]], items: int, *, compressed: bool, near: bool, dark: bool = False
) -> Drawn:
    """The share of zeros (near: of values next to zero too) in every channel that a layer reads.

    shares: for each layer [channels], between 0 and 1, over `items` calibration items. The scale is the
    same for the original and the compressed model.
    """
    title = (
        _("Zeros that the layers read: compressed")
        if compressed
        else _("Zeros that the layers read: original")
    )
    if near:
        title = (
            _("Values near zero that the layers read: compressed")
            if compressed
            else _("Values near zero that the layers read: original")
        )
    axis = _("input channels, in order")
    figure = channel_heatmap(shares, title=title, axis=axis, dark=dark)
    return Drawn(figure, _alternative(shares, items), channel_table(shares))


def _alternative(shares: Mapping[str, NDArray[Any]], items: int) -> str:
    if not shares:
        return _("There is no layer to show.")
    means = {name: float(np.mean(values)) for name, values in shares.items()}
    most = max(means, key=means.__getitem__)
    silent = sum(int(np.count_nonzero(np.asarray(values) == 1)) for values in shares.values())
    return _(
        "{items} calibration items, {layers} layers: most zeros arrive at {most} with {share} on average, "
        "{silent} channels are zero throughout."
    ).format(
        items=whole(items), layers=len(means), most=most, share=percent(means[most]), silent=whole(silent)
    )
