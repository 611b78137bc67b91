"""How sure a mean of few and very unequal values is."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from compress_core.numerics.arrays import Floats
from compress_core.numerics.intervals import Interval

_STRAIGHT = 1e-9  # skewness over sqrt(n) below which its correction is nothing but rounding


def of_mean(values: Floats, level: float = 0.95) -> Interval | None:
    """Interval of the mean of values [N], also where a few make up most of it; None without a spread.

    Quantiles of Student's t with as many degrees of freedom as the variance itself is sure of,
    2 n / (kurtosis - 1); at either end the wider of the symmetric bound and the one that takes the skewness
    out. One item, or items that all have the same value, say nothing about the spread.

    Hall 1992, Journal of the Royal Statistical Society B 54, 221-228; Satterthwaite 1946, Biometrics
    Bulletin 2, 110-114.
    """
    n = values.size
    if n < 2 or np.ptp(values) == 0:
        return None
    mean = values.mean()
    deviations = (values - mean) / np.abs(values - mean).max()  # so that no power of them vanishes
    variance = np.square(deviations).mean()
    skewness = (deviations**3).mean() / variance**1.5
    kurtosis = (deviations**4).mean() / variance**2
    quantile = stdtrit(min(n - 1.0, 2 * n / max(kurtosis - 1, 1e-9)), 0.5 + level / 2)
    unit = np.abs(values - mean).max() * np.sqrt(variance / (n - 1))
    corrected = _unskewed(np.array([-quantile, quantile]), skewness / np.sqrt(n))
    ends = np.stack([mean - unit * corrected, mean - unit * np.array([-quantile, quantile])])
    return Interval(ends.min(), ends.max())


def _unskewed(normal: Floats, bend: float) -> Floats:
    """The values of (mean - true mean) / its error that Hall's cubic turns into these normal ones [2]."""
    if abs(bend) < _STRAIGHT:
        return normal
    bent: Floats = 3 * (np.cbrt(1 + bend * (normal - bend / 6)) - 1) / bend
    return bent
