"""Which one do I want? All models beside one another, what each layer can bear, budgets, searches."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.texts import N_
from dashboard import state
from dashboard.show import refusals
from dashboard.text import _
from dashboard.trade_offs import tab_files

TITLE = N_("Trade-offs")
ICON = ":material/query_stats:"
ORDER = 57

view = state.on_page()
st.title(_("Which one do I want?"))
with refusals():
    tab_files.draw(view, state.model(view))
