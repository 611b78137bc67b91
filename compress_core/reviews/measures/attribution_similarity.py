"""Whether the compressed model still looks at the same things."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.measure import review_measure


@review_measure(
    title=N_("Attribution similarity"), unit="share", direction="higher", order=6, narrowing="root"
)
def attribution_similarity(evidence: Evidence) -> Number:
    """Where the maps of both models stand between chance (0) and the original under tiny noise (1).

    Median rank correlation of the maps of items drawn at random, between the random floor and the noise
    ceiling; the interval takes into account how sure all three are.
    """
    return evidence.alike_sample.position
