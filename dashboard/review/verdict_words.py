"""The verdict in large words, what decides it, and which class lost most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.review.outcome_words import verdict_box
from dashboard.show import number_text
from dashboard.text import _, literal

if TYPE_CHECKING:
    from compress_core.reviews.findings import Review


def draw(review: Review) -> None:
    """The box of the verdict."""
    verdict_box(review.verdict, _(review.because), "  \n".join([_decided_by(review), *_worst(review)]))
    if review.model.epoch_chosen_by is not None:
        st.caption(_(review.model.epoch_chosen_by))


def _decided_by(review: Review) -> str:
    named = [
        f"{literal(_(review.gates.in_words(each.gate)))} ({literal(number_text(each.number))})"
        for each in review.decided_by
    ]
    said = "; ".join(named) or _("none")
    return f"**{_('Decided by')}**: {said}"


def _worst(review: Review) -> list[str]:
    """Nothing without labels."""
    if review.worst_class is None:
        return []
    change = literal(number_text(review.classes[0].change))
    worse = ", ".join(map(literal, review.got_worse)) or _none_worse(review)
    holm = _("Classes that surely got worse (Holm)")
    return [f"**{_('Worst class')}**: {literal(review.worst_class)} ({change}). {holm}: {worse}"]


def _none_worse(review: Review) -> str:
    """Why no class is named that surely got worse."""
    why = review.no_class_intervals
    return _("none") if why is None else f"{_('not measured')}: {_(why)}"
