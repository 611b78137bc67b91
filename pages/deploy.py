"""Is it really small and fast, and where? Files to take away, bytes, milliseconds, and what they run on."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.texts import N_
from dashboard import page_files, state
from dashboard.deploy import byte_counts as sizes
from dashboard.deploy import files, headline, speed, targets, work
from dashboard.show import refusals
from dashboard.text import _

TITLE = N_("Deploy")
ICON = ":material/deployed_code:"
ORDER = 60

view = state.on_page()

st.title(_("Is it really small and fast, and where?"))
with refusals():
    model = state.model(view)
    if not model.is_changed:
        st.info(
            _("This is still the model as loaded: compress a layer on Tune, and see what it gains here."),
            icon=":material/tune:",
        )
        page_files.link("tune")
    else:
        headline.draw(model)
        page_files.link("review", _("Review it"))
    take, small, fast, cost, where = st.tabs(
        [
            _("What can I take away?"),
            _("Is it small?"),
            _("Is it fast?"),
            _("What does a pass cost?"),
            _("Where does it help?"),
        ],
        key="deploy.tabs",
        on_change="rerun",
    )
    if take.open:
        with take, refusals():
            files.draw(view, model)
    if small.open:
        with small, refusals():
            sizes.draw(model)
    if fast.open:
        with fast, refusals():
            speed.draw(view, model)
    if cost.open:
        with cost, refusals():
            work.draw(model)
    if where.open:
        with where, refusals():
            targets.draw(model)
