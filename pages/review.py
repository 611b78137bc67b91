"""May it go out? Gates that were fixed beforehand, judged on test items; the evidence and the decision."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.texts import N_
from dashboard import page_files, state
from dashboard.review import review_desk
from dashboard.show import refusals
from dashboard.text import _

TITLE = N_("Review")
ICON = ":material/fact_check:"
ORDER = 65

view = state.on_page()

st.title(_("May it go out?"))
with refusals():
    model = state.model(view)
    if not model.is_changed:
        st.info(
            _("This is still the model as loaded: compress a layer on Tune, and have it reviewed here."),
            icon=":material/tune:",
        )
        page_files.link("tune")
    else:
        review_desk.draw(view, model)
