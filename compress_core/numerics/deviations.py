"""How far values are from their mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compress_core.numerics.arrays import Floats


def spread_of(values: NDArray[np.floating]) -> Floats:
    """The standard deviation of each value over the items [N, k] -> [k] in float64; 0 where all are alike."""
    found: Floats = values.astype(np.float64).std(axis=0)
    return found
