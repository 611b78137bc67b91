"""Why a review says what it says, in one sentence that stands in the outcome itself."""

from __future__ import annotations

from collections.abc import Sequence

from compress_core.foundation.texts import N_
from compress_core.reviews.gate_verdict import JudgedGate, overall
from compress_core.reviews.report_words import MEANINGS, WORDS

ONLY_ADVISORY = N_("Every gate is advisory, so none decides: a verdict needs at least one required gate.")


def because(judged: Sequence[JudgedGate]) -> str:
    """What the verdict of these gates means; without a gate that could decide, that there is none."""
    if not judged:
        return WORDS["no_gates"]
    if not any(each.gate.required for each in judged):
        return ONLY_ADVISORY
    return MEANINGS[overall(judged)]
