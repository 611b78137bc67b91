"""Whether both models look at the same things: over exactly the flips, beside a random sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from compress_core.reviews.evidence_tables import provenance_of
from compress_core.reviews.report_words import WORDS
from dashboard.figures.attribution_shift import KINDS, ROLES, attribution_shift
from dashboard.show import figure, is_dark, number_text, said_of, with_interval
from dashboard.text import _, label, literal

if TYPE_CHECKING:
    from compress_core.foundation.number import Number
    from compress_core.reviews.alike import Alikeness
    from dashboard.review.review_job import ReviewOnPage


def draw(shown: ReviewOnPage) -> None:
    """Both on one scale, then a column for each kind of item with a row for each number."""
    review = shown.review
    columns = {"of_flips": review.alike_flips, "of_sample": review.alike_sample}
    drawn = attribution_shift(
        dict(zip(KINDS, (_numbers_of(found) for found in columns.values()), strict=True)),
        method=label(review.gates.conditions.attribution),
        dark=is_dark(),
    )
    figure(drawn, "review.attribution_shift", provenance_of(review))
    names = ("similarity", "ceiling", "floor", "position")
    table: dict[str, list[str]] = {"": [*(_(WORDS[name]) for name in names), _("Items")]}
    for title, found in columns.items():
        numbers = [_said(getattr(found, name)) for name in names]
        items = _("{n:,} of {all:,}").format(n=found.similarity.n or 0, all=found.drawn_from)
        table[_(WORDS[title])] = [*numbers, items]
    st.table(pd.DataFrame(table), border="horizontal", hide_index=True)
    st.caption(
        _(
            "Maps of {method} before and after. The ceiling is the original under tiny noise on its input, "
            "the floor is chance. Where flips stand much lower than a sample, the models look elsewhere "
            "on just the items whose answer changed."
        ).format(method=literal(label(review.gates.conditions.attribution)))
    )


def _numbers_of(found: Alikeness) -> dict[str, Number]:
    return {role: getattr(found, role) for role in ROLES}


def _said(number: Number) -> str:
    """The unit once; why there is no interval, where there is none."""
    has_interval = number.low is not None and number.high is not None
    said = with_interval(number) if has_interval else f"{number_text(number)} {said_of(number)}"
    return literal(said.strip())
