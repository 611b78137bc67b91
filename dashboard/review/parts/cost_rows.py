"""What the model takes before and after, and how each number came about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from compress_core.reviews.report_words import WORDS
from dashboard.show import number_text, said_of
from dashboard.text import _, literal

if TYPE_CHECKING:
    from compress_core.foundation.number import Number
    from dashboard.review.review_job import ReviewOnPage


def draw(shown: ReviewOnPage) -> None:
    """Sizes, then times."""
    rows = (*shown.review.sizes, *shown.review.times)
    table = {
        "": [_(row.title) for row in rows],
        _("Before"): [literal(number_text(row.before)) for row in rows],
        _("After"): [literal(number_text(row.after)) for row in rows],
        _("95 % interval"): [literal(said_of(row.after)) for row in rows],
        _("How"): [_how(row.after) for row in rows],
    }
    st.table(pd.DataFrame(table), border="horizontal", hide_index=True)


def _how(number: Number) -> str:
    return _(WORDS["not_measured" if number.value is None else number.kind])
