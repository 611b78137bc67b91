"""The weights of a layer as a histogram, with what the prune slider removes of them."""

from __future__ import annotations

import numpy as np

from compress_core.measure.tables.prune_rows import PrunedNow, SparsityTable
from compress_core.numerics.value_bins import ValueBins
from dashboard.live_slider.live_table import Histogram
from dashboard.text import _


def weights_with_threshold(rows: SparsityTable) -> Histogram:
    """Lines at -threshold and +threshold for every place of the slider; where none decides, what stays."""
    if np.isnan(rows.threshold).any():
        return Histogram(
            rows.bins.edges,
            rows.bins.counts,
            _("Weights of this layer, removed and kept"),
            [np.array([])] * len(rows.sparsity),
            kept=rows.kept_in_bins,
            caption=caption(rows.bins),
            axis=_("weight"),
        )
    return Histogram(
        rows.bins.edges,
        rows.bins.counts,
        _("Weights of this layer; those between the lines are removed"),
        [np.array([-t, t]) for t in rows.threshold],
        removed=np.stack([-rows.threshold, rows.threshold], axis=1),
        caption=caption(rows.bins),
        axis=_("weight"),
    )


def weights_with_mask(now: PrunedNow, rows: int) -> Histogram:
    """Removed and kept as the model has them now, whatever the slider would do."""
    return Histogram(
        now.bins.edges,
        now.bins.counts,
        _("Weights of this layer, removed and kept"),
        [np.array([])] * rows,
        kept=np.tile(now.kept_in_bins, (rows, 1)),
        caption=caption(now.bins),
        axis=_("weight"),
    )


def caption(bins: ValueBins) -> str:
    """What is drawn, and what could not be: values that are no finite number, or far beyond all others."""
    said = _("weights before this step")
    if bins.broken:
        said += " · " + _("{count} not finite").format(count=f"{bins.broken:,}")
    if bins.beyond:
        said += " · " + _("{count} beyond").format(count=f"{bins.beyond:,}")
    return said
