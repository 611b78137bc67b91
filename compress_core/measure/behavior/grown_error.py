"""How much larger errors became, as a share of the original's: a number without the unit of the labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.mean_number import mean_number
from compress_core.measure.behavior.metric import NO_LABELS, NOT_FINITE, OF_ANOTHER_TASK
from compress_core.measure.behavior.metrics.mean_absolute_error import LEAST, errors_by_item
from compress_core.measure.behavior.predictions import Predictions
from compress_core.subject.answer_kind import AnswerKind

NO_ERROR = N_("The original makes no error, so that none can be a share of it.")


def error_growth_of(before: Predictions, after: Predictions) -> Number:
    """The mean absolute error after, divided by that before, less 1; below 0 where it became smaller.

    The interval is that of a ratio of two means over the same items, to first order.

    Cochran 1977, Sampling Techniques, section 6.3 (linearization of a ratio).
    """
    if before.kind is not AnswerKind.VALUES:
        return Number.missing("share", OF_ANOTHER_TASK, after.n)
    if before.wanted is None or after.wanted is None:
        return Number.missing("share", NO_LABELS, after.n)
    first, second = errors_by_item(before), errors_by_item(after)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return Number.missing("share", NOT_FINITE, after.n)
    if not first.any():
        return Number.missing("share", NO_ERROR, after.n)
    ratio = float(second.mean() / first.mean())
    found = mean_number(ratio - 1 + (second - ratio * first) / first.mean(), "share", least=LEAST)
    return replace(found, value=ratio - 1)
