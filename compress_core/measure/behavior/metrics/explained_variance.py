"""How much of the right answers' variance is explained."""

from __future__ import annotations

import numpy as np

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.metric import NOT_FINITE, Shown, metric
from compress_core.measure.behavior.predictions import Predictions
from compress_core.subject.answer_kind import PredictionTask

ALL_ALIKE = N_("The right answers are all alike, so that there is no variance to explain.")
NO_BOUND = N_("No interval: a ratio of two sums of squares, of which a few items make up most.")


@metric(
    title="R squared",
    unit="share",
    direction="higher",
    needs_labels=True,
    order=4,
    shown=Shown.HEADER | Shown.TILE,
    tasks=frozenset({PredictionTask.REGRESSION}),
)
def explained_variance(after: Predictions) -> Number:
    """The share of the variance of the right answers that the model explains, over all values; below 0 none.

    1 - sum of squared errors / sum of squares about the mean of each value. No interval.
    """
    assert after.wanted is not None, "needs labels"
    wanted, got = after.wanted.astype(np.float64), after.logits.astype(np.float64)
    if not np.isfinite(got).all():
        return Number.missing("share", NOT_FINITE, after.n)
    about = float(np.square(wanted - wanted.mean(axis=0)).sum())
    if about == 0:
        return Number.missing("share", ALL_ALIKE, after.n)
    share = 1 - float(np.square(wanted - got).sum()) / about
    return Number(share, "share", "measured", n=after.n, no_interval=NO_BOUND)
