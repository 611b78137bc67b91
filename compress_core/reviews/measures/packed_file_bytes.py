"""Bytes of the packed file."""

from __future__ import annotations

from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.measure import review_measure


@review_measure(title=N_("Packed file"), unit="byte", direction="lower", order=11, narrowing="none")
def packed_file_bytes(evidence: Evidence) -> Number:
    """Bytes of the smallest file: it is really packed, and its length taken; there is no chance in it."""
    return Number(packed_size(evidence.model, evidence.store).value, "byte", "exact")
