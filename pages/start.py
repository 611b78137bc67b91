"""What can I try? A demo in one click, sample models, one's own, and the work of this session."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.texts import N_
from dashboard import state
from dashboard.start import doors, recent, sample_cards, upload_model
from dashboard.text import _, literal

TITLE = N_("Start")
ICON = ":material/home:"
ORDER = 10

state.through_app()
refused_link = state.taken_notice()
if refused_link:
    st.warning(literal(refused_link), icon=":material/info:")
st.title(_("What can I try?"))
doors.draw_demo()
doors.draw_doors()
recent_work = st.container()

st.subheader(_("Sample models"))
sample_cards.draw()

st.subheader(_("Your own model"))
upload_model.draw()

with recent_work:  # last, so that a model read just now is there
    recent.draw()
