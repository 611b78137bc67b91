"""How much larger the errors became."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.grown_error import error_growth_of
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.measure import review_measure


@review_measure(title=N_("Growth of the error"), unit="share", direction="lower", order=2, narrowing="root")
def error_growth(evidence: Evidence) -> Number:
    """How much larger the mean absolute error became, as a share of the original's; below 0 it shrank."""
    return error_growth_of(evidence.comparison.before, evidence.comparison.after)
