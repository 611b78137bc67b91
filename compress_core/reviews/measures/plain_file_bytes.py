"""Bytes of the plain file."""

from __future__ import annotations

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.measure import review_measure


@review_measure(title=N_("Plain file"), unit="byte", direction="lower", order=10, narrowing="none")
def plain_file_bytes(evidence: Evidence) -> Number:
    """Bytes of the file of codes, masks and tables, header included: counted exactly."""
    return Number(float(evidence.model.file_bytes), "byte", "exact")
