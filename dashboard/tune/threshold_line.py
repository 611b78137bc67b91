"""The weights of a layer as a histogram, and the lines between which the prune slider removes them."""

from __future__ import annotations

import numpy as np

from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_matrix
from compress_core.subject.subject import Subject
from dashboard import engine
from dashboard.figures.reduce import binned, shared_edges
from dashboard.live_slider.live_table import Histogram
from dashboard.text import _


def counted(base: Subject, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Bins of a layer's weights before they are treated: edges and counts, made once."""

    def make() -> tuple[np.ndarray, np.ndarray]:
        weight = read_matrix(base.network, layer).numpy().reshape(-1)
        edges = shared_edges(weight)
        return edges, binned(weight, edges)

    return engine.store().get(f"bins:{base.key}:{layer.name}", make)


def weights_with_threshold(base: Subject, layer: Layer, threshold: np.ndarray) -> Histogram:
    """The histogram with lines at -threshold and +threshold, for every place [rows] of the prune slider."""
    edges, counts = counted(base, layer)
    marks = [np.array([-t, t]) for t in threshold]
    shaded = np.stack([-threshold, threshold], axis=1) if not np.isnan(threshold).any() else None
    return Histogram(
        edges,
        counts,
        _("Weights of this layer; those between the lines are removed"),
        marks,
        removed=shaded,
        caption=_("weights before this step"),
        axis=_("weight"),
    )
