"""How alike two maps of the same input are, measured only where the input says something.

On a mostly black image the background ties in every map: a rank correlation over all pixels is 0.99 even
with a random network. So each measure looks at the *support* alone, the values that differ from the baseline.
Arrays: maps [N, *size], support [N, *size] of booleans -> one number for each item, NaN where not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.stats import rankdata
from torch import Tensor

from compress_core.foundation.texts import N_
from compress_core.numerics.arrays import Bools, Floats

SAME = 1e-5
"""A value differs from the baseline by more than this share of its item's largest difference."""
SSIM_SIDE = 7
SSIM_RANGE = 2.0
"""Both maps are divided by their common largest absolute value, so they lie between -1 and 1."""


class NotMeasured(Enum):
    """Why two maps of an item were not compared."""

    TOO_SMALL = N_("fewer than two input values differ from the baseline")
    NOT_FINITE = N_("a map holds values that are not finite")
    CONSTANT_BEFORE = N_("the original's map is the same everywhere")
    CONSTANT_AFTER = N_("the map compared with the original's is the same everywhere")
    NO_NEIGHBORS = N_("the measure needs an image of at least 3 x 3 pixels")


@dataclass(frozen=True)
class MapPair:
    """Two maps of each item, flattened to their support; what lies outside it is zero.

    before, after, support [N, values]; reasons [N], None where the maps can be compared; size is the
    shape of one map.
    """

    before: Floats
    after: Floats
    support: Bools
    reasons: tuple[NotMeasured | None, ...]
    size: tuple[int, ...]

    @property
    def measurable(self) -> Bools:
        """Which items can be compared, [N]."""
        return np.array([reason is None for reason in self.reasons], dtype=np.bool_)


SimilarityMeasure = Callable[[MapPair], Floats]


def support_of(inputs: Tensor, baseline: Tensor) -> Bools:
    """Where an input differs from the baseline in any channel; in a table every feature counts.

    inputs [N, C, *size] -> [N, *size]; inputs [N, F] -> [N, F], all true. baseline [1, ...].
    """
    if inputs.ndim == 2:
        return np.ones(tuple(inputs.shape), dtype=np.bool_)
    distance = (inputs - baseline).abs().amax(dim=1)
    largest = distance.flatten(1).amax(dim=1).reshape(-1, *[1] * (distance.ndim - 1))
    differs: Bools = (distance > SAME * largest).numpy()
    return differs


def pair(before: NDArray[np.floating], after: NDArray[np.floating], support: Bools) -> MapPair:
    """Two maps [N, ...] of the same items, their support [N, ...], ready to be compared."""
    assert before.shape == after.shape == support.shape, "maps and support have one shape"
    flat = support.reshape(len(support), -1)
    first, second = (
        np.where(support, m, 0.0).reshape(len(m), -1).astype(np.float64) for m in (before, after)
    )
    maps = MapPair(first, second, flat, _reasons(first, second, flat), support.shape[1:])
    # Zero, so that arithmetic stays silent; the numbers of items that are not measured are not shown.
    first, second = (np.where(maps.measurable[:, None], values, 0.0) for values in (first, second))
    return replace(maps, before=first, after=second)


def _reasons(before: Floats, after: Floats, support: Bools) -> tuple[NotMeasured | None, ...]:
    finite = (~support | (np.isfinite(before) & np.isfinite(after))).all(axis=1)
    conditions = {
        NotMeasured.TOO_SMALL: support.sum(axis=1) < 2,
        NotMeasured.NOT_FINITE: ~finite,
        NotMeasured.CONSTANT_BEFORE: _constant(before, support),
        NotMeasured.CONSTANT_AFTER: _constant(after, support),
    }
    return tuple(
        next((reason for reason, holds in conditions.items() if holds[item]), None)
        for item in range(len(support))
    )


def _constant(values: Floats, support: Bools) -> Bools:
    low = np.where(support, values, np.inf).min(axis=1, initial=np.inf)
    high = np.where(support, values, -np.inf).max(axis=1, initial=-np.inf)
    constant: Bools = low >= high
    return constant


def spearman(maps: MapPair) -> Floats:
    """Whether both maps rank the input values alike, with sign: 1 same order, 0 unrelated, -1 reversed.

    -> [N].

    Spearman 1904; average ranks for ties, on the support.
    """
    # Outside the support stands infinity, which ranks last and leaves the ranks inside untouched.
    ranks = (rankdata(np.where(maps.support, values, np.inf), axis=1) for values in (maps.before, maps.after))
    first, second = (_centered(values, maps.support) for values in ranks)
    return _cosine(first, second, maps.measurable)


def cosine(maps: MapPair) -> Floats:
    """The angle between both maps seen as vectors: 1 the same direction, 0 unrelated, -1 opposite.

    -> [N].

    On the support, not centered.
    """
    return _cosine(maps.before, maps.after, maps.measurable)


def top_share_intersection(maps: MapPair, *, share: float) -> Floats:
    """How many of the strongest input values, by absolute value, both maps have in common: 1 all of them.

    -> [N].

    The strongest max(1, round(share x support)) of each; ties by position. Two unrelated maps share about
    `share` of them.

    Ghorbani et al. 2019, arXiv:1710.10547, section 4.
    """
    count = np.maximum(1, np.round(share * maps.support.sum(axis=1))).astype(np.int64)
    common = _strongest(maps.before, maps, count) & _strongest(maps.after, maps, count)
    return np.where(maps.measurable, common.sum(axis=1) / count, np.nan)


def top_5(maps: MapPair) -> Floats:
    """How many of the strongest 5 % of the input values both maps have in common.

    -> [N].
    """
    return top_share_intersection(maps, share=0.05)


def top_10(maps: MapPair) -> Floats:
    """How many of the strongest 10 % of the input values both maps have in common.

    -> [N].
    """
    return top_share_intersection(maps, share=0.10)


def ssim(maps: MapPair) -> Floats:
    """Whether both maps look alike in each small neighborhood, strength included: 1 the same picture.

    -> [N].

    Both maps are divided by their common largest absolute value (data range 2) and are zero outside the
    support; windows of 7 x 7, averaged over the support. Tables have no neighborhoods: not measured.

    Wang et al. 2004, doi:10.1109/TIP.2003.819861, eq. 13, uniform windows and sample covariance.
    """
    side = min(SSIM_SIDE, *maps.size) if len(maps.size) > 1 else 1
    side -= 1 - side % 2
    if side < 3:
        return np.full(len(maps.before), np.nan)
    largest = np.abs([maps.before, maps.after]).max(axis=(0, 2), initial=0.0)
    scale = np.where(maps.measurable, largest, 1.0)[:, None]
    first, second = ((values / scale).reshape(-1, *maps.size) for values in (maps.before, maps.after))
    local = _local_ssim(first, second, side).reshape(len(maps.before), -1)
    total = np.where(maps.support, local, 0.0).sum(axis=1)
    return np.where(maps.measurable, total / np.maximum(1, maps.support.sum(axis=1)), np.nan)


MEASURES: Mapping[str, SimilarityMeasure] = MappingProxyType(
    {measure.__name__: measure for measure in (spearman, top_5, top_10, ssim, cosine)}
)
"""Every measure by the name of its column."""


def similarity_frame(
    before: NDArray[np.floating], after: NDArray[np.floating], support: Bools
) -> pd.DataFrame:
    """One row for each item of maps [N, ...]: every measure, and why it was not measured, else None."""
    maps = pair(before, after, support)
    columns: dict[str, object] = {name: measure(maps) for name, measure in MEASURES.items()}
    reasons = [None if reason is None else reason.value for reason in maps.reasons]
    return pd.DataFrame({**columns, "reason": pd.Series(reasons, dtype=object)})


def _centered(values: Floats, support: Bools) -> Floats:
    inside = np.where(support, values, 0.0)
    mean = inside.sum(axis=1, keepdims=True) / np.maximum(1, support.sum(axis=1, keepdims=True))
    return np.where(support, values - mean, 0.0)


def _cosine(first: Floats, second: Floats, measurable: Bools) -> Floats:
    # Divided by the largest value first: squares of very small gradients would vanish.
    first, second = (_unit(values, measurable) for values in (first, second))
    return np.where(measurable, np.clip((first * second).sum(axis=1), -1.0, 1.0), np.nan)


def _unit(values: Floats, measurable: Bools) -> Floats:
    largest = np.abs(values).max(axis=1, initial=0.0)
    scaled = values / np.where(measurable, largest, 1.0)[:, None]
    length = np.sqrt((scaled**2).sum(axis=1))
    unit: Floats = scaled / np.where(measurable, length, 1.0)[:, None]
    return unit


def _strongest(values: Floats, maps: MapPair, count: NDArray[np.int64]) -> Bools:
    strength = np.where(maps.support, np.abs(values), -1.0)
    order = np.argsort(-strength, axis=1, kind="stable")
    chosen = np.zeros(strength.shape, dtype=np.bool_)
    np.put_along_axis(chosen, order, np.arange(strength.shape[1]) < count[:, None], axis=1)
    return chosen


def _local_ssim(first: Floats, second: Floats, side: int) -> Floats:
    window = (1, *[side] * (first.ndim - 1))
    weights = side ** (first.ndim - 1)
    sample = weights / (weights - 1)
    mean_1, mean_2 = uniform_filter(first, window), uniform_filter(second, window)
    variance_1 = sample * (uniform_filter(first * first, window) - mean_1**2)
    variance_2 = sample * (uniform_filter(second * second, window) - mean_2**2)
    covariance = sample * (uniform_filter(first * second, window) - mean_1 * mean_2)
    c_1, c_2 = (0.01 * SSIM_RANGE) ** 2, (0.03 * SSIM_RANGE) ** 2
    likeness: Floats = ((2 * mean_1 * mean_2 + c_1) * (2 * covariance + c_2)) / (
        (mean_1**2 + mean_2**2 + c_1) * (variance_1 + variance_2 + c_2)
    )
    return likeness
