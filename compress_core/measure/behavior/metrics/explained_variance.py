"""How much of the right answers' variance is explained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.mean_number import mean_number
from compress_core.measure.behavior.metric import NOT_FINITE, Shown, metric
from compress_core.measure.behavior.predictions import Predictions
from compress_core.subject.answer_kind import PredictionTask

ALL_ALIKE = N_("The right answers are all alike, so that there is no variance to explain.")
LEAST = 500  # squares: below it a few large errors, which make up most of the sum, may be missing
_UNIT = "R squared"
"""One at best, and without an end below: no share, and written as none."""


@metric(
    title="R squared",
    unit=_UNIT,
    direction="higher",
    needs_labels=True,
    order=4,
    interval="interval for skewed values",
    shown=Shown.HEADER | Shown.TILE,
    tasks=frozenset({PredictionTask.REGRESSION}),
)
def explained_variance(after: Predictions) -> Number:
    """The share of the variance of the right answers that the model explains, over all values; below 0 none.

    1 - sum of squared errors / sum of squares about the mean of each value. The interval is that of a ratio
    of two means over the same items, to first order; below 500 items there is none.

    Cochran 1977, Sampling Techniques, section 6.3 (linearization of a ratio).
    """
    assert after.wanted is not None, "needs labels"
    wanted, got = after.wanted.astype(np.float64), after.logits.astype(np.float64)
    if not np.isfinite(got).all():
        return Number.missing(_UNIT, NOT_FINITE, after.n)
    about = np.square(wanted - wanted.mean(axis=0)).sum(axis=1)
    if not about.any():
        return Number.missing(_UNIT, ALL_ALIKE, after.n)
    errors = np.square(wanted - got).sum(axis=1)
    left = float(errors.sum() / about.sum())
    found = mean_number(1 - left - (errors - left * about) / about.mean(), _UNIT, least=LEAST)
    high = None if found.high is None else min(1.0, found.high)
    return replace(found, value=1 - left, high=high)
