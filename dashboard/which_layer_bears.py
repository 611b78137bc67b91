"""Which layer bears it has two answers, by its output and by those of the model: each names the other."""

from __future__ import annotations

import streamlit as st

from compress_core.decide.family import Family
from compress_core.foundation.texts import N_
from dashboard import link_limits, page_files
from dashboard.shared_choice import SharedChoice
from dashboard.text import _
from dashboard.trade_offs import tab_files

SECTIONS, EACH_LAYER = "tune.sections", N_("Each layer alone")
"""Which of Tune's tabs is open, and the one with the errors of the layers' own outputs."""
SCANNED: SharedChoice[str] = SharedChoice(
    "family", Family.PRUNE.value, lambda text: text if text in set(Family) else None
)
"""What is done to each place, of that which a scan measures."""


def by_answers(family: Family) -> None:
    """Below the errors of the layers' outputs: where it stands what becomes of the answers."""
    if _named(
        _("This is about each layer's own output. The model's answers and accuracy may give another order."),
        _("Trade-offs: Sensitivity"),
        "which_layer.by_answers",
        leads_there=True,
    ):
        SCANNED.choose(family.value)
        tab_files.open_tab("layer_sensitivity")
        st.switch_page(page_files.page_files()["trade_offs"].path)


def by_output() -> None:
    """Below what becomes of the answers: where the errors of the layers' own outputs stand.

    No button leads to a tab that the visitor's link hides.
    """
    if _named(
        _("This is about the model's answers. The error of each layer's own output may give another order."),
        _("Tune: Each layer alone"),
        "which_layer.by_output",
        leads_there="tabs" not in link_limits.limits().hidden,
    ):
        st.session_state[SECTIONS] = _(EACH_LAYER)
        st.switch_page(page_files.page_files()["tune"].path)


def _named(said: str, label: str, key: str, *, leads_there: bool) -> bool:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(said, width="content")
        return leads_there and st.button(label, key=key, type="tertiary", icon=":material/arrow_forward:")
