"""The range over which a layer's inputs are rounded, chosen on what was seen of them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

RangeMethod = Literal["minmax", "percentile", "entropy", "squared_error"]
_BINS = 2048
_STEP = 16


def range_of(values: Tensor, method: RangeMethod, percentile: float, bits: int) -> tuple[float, float]:
    """The smallest and the largest value that are rounded without clipping; 0 is always among them.

    values of any shape. percentile: both tails are cut where that share of the values beside 0, in percent,
    lies on the inner side; zeros stay zero anyway, and as many as stand behind a ReLU would leave no range.
    entropy: clipped alike on both sides where the histogram keeps most of its information, which clips too
    much where there are few levels. squared_error: both ends shrunk alike to the least squared error.
    """
    flat = values.detach().flatten().numpy()
    if not len(flat):
        return 0.0, 0.0
    low, high = float(flat.min()), float(flat.max())
    beside_zero = flat[flat != 0]
    if method == "percentile" and len(beside_zero):
        cuts = (100 - percentile, percentile)
        low, high = (float(np.percentile(beside_zero, cut, method="nearest")) for cut in cuts)
    if method == "entropy":
        levels = 2**bits if low >= 0 or high <= 0 else 2 ** (bits - 1)
        limit = least_divergent(flat, levels)
        low, high = max(low, -limit), min(high, limit)
    low, high = min(low, 0.0), max(high, 0.0)
    if method == "squared_error":
        share = least_squares_share(flat, low, high, 2**bits - 1)
        low, high = share * low, share * high
    return low, high


def least_squares_share(values: NDArray[np.float32], low: float, high: float, steps: int) -> float:
    """By which share to shrink a range so that its values, rounded to so many steps, err least.

    values [n], in 2048 bins; 1 is among the shares. Nagel et al. 2021, A White Paper on Neural Network
    Quantization, arXiv:2106.08295, section 3.1.
    """
    width = high - low
    if not np.finfo(np.float32).tiny < width < np.inf:
        return 1.0
    counts, edges = np.histogram(values.astype(np.float64) / width, _BINS, (low / width, high / width))
    middles = (edges[1:] + edges[:-1]) / 2
    shares = np.linspace(1, 0.02, 99)
    errors = [_squared_error(middles, counts, share, low / width, steps) for share in shares]
    return float(shares[int(np.argmin(errors))])


def _squared_error(
    values: NDArray[np.float64], counts: NDArray[np.int64], share: float, low: float, steps: int
) -> float:
    """Of values in a range of width 1 that is shrunk to a share of it."""
    scale = share / steps
    zero_point = np.round(-low * share / scale)
    rounded = (np.clip(np.round(values / scale) + zero_point, 0, steps) - zero_point) * scale
    return float((counts * np.square(rounded - values)).sum())


def least_divergent(values: NDArray[np.float32], levels: int) -> float:
    """Where to clip |values| so that the histogram rounded to so many levels is nearest to the true one.

    values [n]; Kullback-Leibler divergence over 2048 bins, tried at every 16th. Zeros don't count, since
    they stay zero anyway. Our own addition: at most half of the values are clipped. One bin that holds
    nearly all of them, as with the background of an image, would pass for a perfect fit otherwise.

    Migacz 2017, 8-bit Inference with TensorRT, GPU Technology Conference.
    """
    sizes = np.abs(values[values != 0]).astype(np.float64)
    largest = float(sizes.max()) if len(sizes) else 0.0
    if largest < np.finfo(np.float32).tiny:
        return largest
    counts, edges = np.histogram(sizes, _BINS, (0.0, largest))
    inside = counts.cumsum() >= counts.sum() / 2
    ends = [end for end in range(_STEP, _BINS + 1, _STEP) if inside[end - 1]]
    divergence = [_divergence(counts.astype(np.float64), end, levels) for end in ends]
    best = len(divergence) - 1 - int(np.argmin(divergence[::-1]))  # of equals the widest
    return float(edges[ends[best]])


def _divergence(counts: NDArray[np.float64], end: int, levels: int) -> float:
    """What is lost when all beyond `end` goes to the last bin and the others are merged into levels."""
    true = counts[:end].copy()
    true[-1] += counts[end:].sum()
    group = np.arange(end) * levels // end if end > levels else np.arange(end)
    filled = counts[:end] > 0
    together = np.bincount(group, counts[:end])
    bins = np.bincount(group, filled)
    rounded = np.where(filled, together[group] / np.maximum(bins[group], 1), 0.0)
    if not rounded.sum():
        return float("inf")
    true, rounded = true / true.sum(), rounded / rounded.sum()
    seen = true > 0
    with np.errstate(divide="ignore"):
        return float((true[seen] * (np.log(true[seen]) - np.log(rounded[seen]))).sum())
