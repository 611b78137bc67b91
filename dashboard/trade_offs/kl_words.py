"""What a divergence is where answers are no probabilities."""

from __future__ import annotations

import streamlit as st

from compress_core.decide.scan_words import meant_by_kl
from compress_core.subject.subject import Subject
from dashboard.text import _, literal


def say_what_kl_is(subject: Subject) -> None:
    """One sentence, for models that answer with real numbers."""
    meant = meant_by_kl(subject.answers)
    if meant is not None:
        st.caption(literal(_(meant)))
