"""What our own estimates are worth on this model: every recipe that was run, beside what was estimated."""

from __future__ import annotations

import streamlit as st

from compress_core.apply.model import Model
from compress_core.decide.estimate_pairs import LEAST, checked_estimates
from compress_core.foundation.errors import Refused
from dashboard import engine
from dashboard.figures.estimated_measured import estimated_measured
from dashboard.known_estimator import VALIDATION, known_estimator, known_sensitivity
from dashboard.show import figure, is_dark, provenance
from dashboard.text import _, literal, refusal


def draw(parent: Model) -> None:
    """The figure, or what is missing for it; parent: the model that was scanned, as loaded."""
    subject, sensitivity = parent.subject, known_sensitivity(parent)
    split = subject.split(VALIDATION)
    try:
        estimator = known_estimator(parent)
    except Refused as refused:
        st.caption(literal(refusal(refused)))
        return
    found = checked_estimates(subject, sensitivity, estimator, engine.workspace())
    if len(found.table) < LEAST:
        st.caption(
            _(
                "Fewer than {least} recipes with the techniques of the scan were run on all validation "
                "items: each one that is will be a point here, estimated beside measured."
            ).format(least=LEAST)
        )
        return
    drawn = estimated_measured(found.table, found.rank_correlation, found.median_error, dark=is_dark())
    figure(drawn, "trade_offs.estimates", provenance(split=split.name, items=len(split), lineage=()))
