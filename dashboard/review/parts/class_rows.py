"""Each class before and after, the one that lost most first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from compress_core.reviews.evidence_tables import provenance_of, tables_of
from compress_core.reviews.report_words import WORDS
from dashboard.number_table import height_of, number_table
from dashboard.show import interval_text, number_text
from dashboard.text import _

if TYPE_CHECKING:
    from dashboard.review.review_job import ReviewOnPage

MOST_PX = 420


def draw(shown: ReviewOnPage) -> None:
    """A row for each class; without labels there is none."""
    review = shown.review
    if not review.classes:
        st.caption(_("Without labels nothing is known of single classes."))
        return
    rows = review.classes
    table = {
        _("class"): [row.name for row in rows],
        _("items"): [row.change.n for row in rows],
        _("before"): [number_text(row.before) for row in rows],
        _("now"): [number_text(row.after) for row in rows],
        _("change"): [number_text(row.change) for row in rows],
        _("95 % interval"): [interval_text(row.change) for row in rows],
        _("p (Holm)"): [None if row.p_holm is None else round(row.p_holm, 4) for row in rows],
        _("surely worse"): [_("yes") if row.got_worse else "" for row in rows],
    }
    number_table(
        pd.DataFrame(table),
        "review.classes",
        provenance_of(review),
        taken=tables_of(review)["classes"],
        caption=_(review.no_class_intervals or WORDS["how_of_classes"]),
        height=height_of(len(rows), MOST_PX),
    )
