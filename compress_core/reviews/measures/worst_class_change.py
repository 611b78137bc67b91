"""The class that lost most."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.measure import review_measure
from compress_core.reviews.worst_part import worst_change, worst_label_change
from compress_core.subject.answer_kind import PredictionTask


@review_measure(title=N_("Worst class"), unit="points", direction="higher", order=3, narrowing="root")
def worst_class_change(evidence: Evidence) -> Number:
    """Accuracy change of the class, or the label, that lost most: none may lose more than the limit.

    Both ends hold with 95 % whichever class it truly is.
    """
    after = evidence.comparison.after
    if after.kind.task is PredictionTask.LABELS:
        return worst_label_change(evidence)
    return worst_change(evidence, after.labels)
