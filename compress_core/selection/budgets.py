"""One budget for many layers: how many boxes each of them keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from compress_core.selection.patterns import LayerShape

_HALVINGS = 128


def erdos_renyi(shapes: Sequence[LayerShape], sizes: Sequence[int], kept: int, least: int = 0) -> list[int]:
    """How many of its boxes each layer keeps, `kept` in all: the smaller a layer, the greater its share.

    sizes: boxes of each layer; each keeps from `least` to all of its own. The share of a layer goes with
    the sum of its dimensions over their product; what a full layer cannot take goes to the others. With
    a smaller budget no layer keeps more: every layer rounds one and the same factor.

    Mocanu et al. 2018, arXiv:1707.04780, eq. 1; with kernels Evci et al. 2020, arXiv:1911.11134, section 3.
    """
    total = np.array(sizes)
    weights = np.array([sum(s.kernel) / max(1, math.prod(s.kernel)) for s in shapes]) * total.clip(1)

    def rounded(factor: float) -> np.ndarray:
        whole: np.ndarray = np.floor(factor * weights + 0.5).astype(np.int64)
        return whole.clip(least, total)

    low, high = 0.0, float(((total + 1) / weights).max())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if int(rounded(middle).sum()) <= kept else (low, middle)
    counts = rounded(low)
    while int(counts.sum()) < kept:  # layers that round up at the same factor
        steps = np.where(counts < total, (counts + 0.5) / weights, np.inf)
        counts[int(steps.argmin())] += 1
    return [int(n) for n in counts]
