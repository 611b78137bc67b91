"""The class that lost most."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.measure import review_measure
from compress_core.reviews.worst_part import worst_change


@review_measure(title=N_("Worst class"), unit="points", direction="higher", order=3, narrowing="root")
def worst_class_change(evidence: Evidence) -> Number:
    """Accuracy change of the class that lost most, so that no class may lose more than the limit.

    Both ends hold with 95 % whichever class it truly is.
    """
    return worst_change(evidence, evidence.comparison.after.labels)
