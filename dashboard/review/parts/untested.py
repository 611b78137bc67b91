"""What a review does not say, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.text import _, literal

if TYPE_CHECKING:
    from dashboard.review.review_job import ReviewOnPage


def draw(shown: ReviewOnPage) -> None:
    """A line for each thing that nobody may take for granted."""
    st.markdown("\n".join(f"- {literal(_(sentence))}" for sentence in shown.review.not_tested))
