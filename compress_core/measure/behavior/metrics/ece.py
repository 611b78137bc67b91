"""Expected calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.number import Number
from compress_core.measure.behavior.mean_number import ALONE
from compress_core.measure.behavior.metric import NOT_FINITE, metric
from compress_core.measure.behavior.predictions import Predictions
from compress_core.numerics.arrays import Floats

BINS = 15
DRAWS = 2000
UNSEEN = 1.0  # mistakes, spread over the bins as the items are


def confidence_bin(confidence: Floats) -> NDArray[np.int64]:
    """Which of the equal bins of (0, 1] each confidence falls into, [N] in 0..BINS-1."""
    bins: NDArray[np.int64] = np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1).astype(np.int64)
    return bins


@metric(
    title="Calibration error (ECE)",
    unit="share",
    direction="lower",
    needs_labels=True,
    order=8,
    interval="bound by the bins",
)
def ece(after: Predictions) -> Number:
    """How far the stated confidence is from the share that is right, on average over the items.

    15 bins of equal width. The interval holds with at least 95 %: the error cannot be further off
    than the bins' own errors together, whose 95 % quantile is drawn from their normal approximation. One
    mistake more than was seen is reckoned with: fifty items of a good model often show none.

    Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    assert after.correct is not None, "calibration needs labels"
    if not after.has_confidence.all():
        return Number.missing("share", NOT_FINITE, after.n)
    bins, gap = confidence_bin(after.confidence), after.correct - after.confidence
    gaps = np.bincount(bins, gap, BINS) / after.n
    value = float(np.abs(gaps).sum())
    if after.in_parts:
        return Number(value, "share", "measured", n=after.n, no_interval=ALONE)
    squares = np.bincount(bins, gap**2, BINS) + UNSEEN * np.bincount(bins, minlength=BINS) / after.n
    noise = _noise(squares / after.n, after.n)
    return Number(value, "share", "measured", max(0.0, value - noise), min(1.0, value + noise), after.n)


def _noise(squares: Floats, n: int) -> float:
    """95 % quantile of the bins' absolute errors together, from the mean square of each bin's gaps.

    Errors of bins taken as independent: in truth they are slightly anti-correlated, which makes
    their sum smaller.
    """
    draws = np.random.default_rng(0).standard_normal((DRAWS, BINS)) * np.sqrt(squares / n)
    return float(np.quantile(np.abs(draws).sum(axis=1), 0.95))
