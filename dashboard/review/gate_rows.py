"""Each gate in one row: what it asks for, the number with its interval, and where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from compress_core.foundation.number import about
from compress_core.reviews.evidence_tables import provenance_of, tables_of
from dashboard.chosen_split import REPORTING
from dashboard.review.outcome_words import outcome_text
from dashboard.show import csv_button, number_text, said_of
from dashboard.text import _, literal

if TYPE_CHECKING:
    from compress_core.reviews.findings import Review
    from compress_core.reviews.gate import Gates
    from compress_core.reviews.gate_verdict import JudgedGate


def draw(review: Review) -> None:
    """What was judged, and the same numbers to take away."""
    if not review.judged:
        st.caption(_("There is no gate, so nothing was judged and nothing passes."))
        return
    judged = review.judged
    rows = {
        "": [outcome_text(each.outcome) for each in judged],
        _("Gate"): [_asked(review.gates, each) for each in judged],
        _("Value"): [literal(number_text(each.number)) for each in judged],
        _("95 % interval"): [literal(said_of(each.number)) for each in judged],
        _("N"): ["" if each.number.n is None else f"{each.number.n:,}" for each in judged],
        _("Items that would decide (estimated)"): [_more(each) for each in judged],
    }
    with st.container(key="review-gate-rows"):
        st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)
    words, download = st.columns([5, 1], vertical_alignment="center")
    words.caption(_judged_on(review))
    csv_button(download, "review.gates_judged", tables_of(review)["gates"], provenance_of(review))


def _judged_on(review: Review) -> str:
    """On which items, and that the header speaks of others."""
    if review.model.split == REPORTING:
        said = _(
            "Judged on {split} items, N = {items:,}. The numbers at the top of the page are of validation "
            "items, on which the recipe was chosen."
        )
    else:
        said = _(
            "Judged on {split} items, N = {items:,}: there are no test items, and whoever chose the recipe "
            "on these finds it too good here."
        )
    return said.format(split=_(review.model.split), items=review.model.n)


def draw_asked(gates: Gates) -> None:
    """What will be judged, before anybody looks."""
    rows = {
        "": [_("not looked at yet")] * len(gates.gates),
        _("Gate"): [literal(_(gates.in_words(gate))) for gate in gates.gates],
        _("Counts"): [_("required") if gate.required else _("advisory") for gate in gates.gates],
        _("Why this limit"): [literal(_(gate.reason)) for gate in gates.gates],
    }
    with st.container(key="review-gate-rows"):
        st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)


def _asked(gates: Gates, judged: JudgedGate) -> str:
    counts = _("required") if judged.gate.required else _("advisory")
    return f"{literal(_(gates.in_words(judged.gate)))} :small[({counts})]"


def _more(judged: JudgedGate) -> str:
    needed = judged.items_to_decide
    return "" if needed is None else _("about {n:,}").format(n=about(needed))
