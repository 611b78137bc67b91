"""The predictions of a class, counted in equal bins from the lowest to the highest that can be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress_core.numerics.arrays import Floats

BINS = 20


@dataclass(frozen=True, eq=False)
class PredictionBins:
    """counts [bins] between edges [bins + 1], and the median; each prediction is in one bin.

    A bin holds its lower edge and not its upper one; the last holds both. The median is NaN where nobody
    predicted.
    """

    edges: Floats
    counts: NDArray[np.int64]
    median: float

    @property
    def total(self) -> int:
        """How many predictions these are."""
        return int(self.counts.sum())


def prediction_bins(predictions: Sequence[float], low: float, high: float) -> PredictionBins:
    """Count predictions from low to high, as they are written; one outside would be a mistake of ours."""
    values = np.array(predictions, dtype=np.float64)
    counts, edges = np.histogram(values, BINS, (low, high))
    assert counts.sum() == len(values), "a prediction lies where it can be written"
    return PredictionBins(edges, counts, float(np.median(values)) if len(values) else np.nan)
