"""Which layer bears it has two answers, by its output and by those of the model: each names the other."""

from __future__ import annotations

import streamlit as st

from compress_core.decide.family import Family
from dashboard import page_files
from dashboard.shared_choice import SharedChoice
from dashboard.text import _
from dashboard.trade_offs import tab_files

SECTIONS = "tune.sections"
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
    ):
        SCANNED.choose(family.value)
        tab_files.open_tab("layer_sensitivity")
        st.switch_page(page_files.page_files()["trade_offs"].path)


def by_output() -> None:
    """Below what becomes of the answers: where the errors of the layers' own outputs stand."""
    if _named(
        _("This is about the model's answers. The error of each layer's own output may give another order."),
        _("Tune: Each layer alone"),
        "which_layer.by_output",
    ):
        st.session_state[SECTIONS] = _("Each layer alone")
        st.switch_page(page_files.page_files()["tune"].path)


def _named(said: str, label: str, key: str) -> bool:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(said, width="content")
        return st.button(label, key=key, type="tertiary", icon=":material/arrow_forward:")
