"""How long one batch takes."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.measure import review_measure


@review_measure(title=N_("Latency"), unit="ms", direction="lower", order=12, narrowing="none")
def latency_ms(evidence: Evidence) -> Number:
    """Milliseconds of one batch in torch on one thread of this machine, over several processes in turns."""
    return evidence.latency[1]
