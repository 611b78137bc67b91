"""Values that may only grow: the nearest such values to noisy ones."""

from __future__ import annotations

import numpy as np

from compress_core.numerics.arrays import Floats


def never_falling(values: Floats) -> Floats:
    """The values [n] that never fall and lie nearest to these, by the sum of squares.

    Neighbors that fall are replaced by their mean, until none does (pool adjacent violators).

    Ayer et al. 1955, Annals of Mathematical Statistics 26, 641-647.
    """
    means: list[float] = []
    counts: list[int] = []
    for value in values:
        means.append(float(value))
        counts.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            mean, count = means.pop(), counts.pop()
            means[-1] = (means[-1] * counts[-1] + mean * count) / (counts[-1] + count)
            counts[-1] += count
    return np.repeat(means, counts)
