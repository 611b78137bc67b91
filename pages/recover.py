"""Can training win it back? How a compressed model is trained, the curves while it is, and what it gained."""

from __future__ import annotations

import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.texts import N_
from dashboard import page_files, state
from dashboard.recover import add_items, plan_knobs, teacher_and_student, training_panel
from dashboard.recover.chosen_plan import chosen_plan
from dashboard.show import refusals
from dashboard.text import _

TITLE = N_("Recover")
ICON = ":material/model_training:"
ORDER = 55

view = state.on_page()


def _training(model: Model) -> None:
    """Left how it is trained, right what comes of it."""
    plan = chosen_plan()
    how, what = st.columns([1, 2.2], gap="large")
    with how:
        plan_knobs.draw(plan, model.subject)
        if view.model.startswith(state.USER_MODEL):
            with st.expander(_("Other training items"), icon=":material/upload_file:"):
                add_items.draw(model.subject)
    with what, refusals():
        training_panel.draw(view, model, plan)
        teacher_and_student.draw(model, plan)


st.title(_("Can training win it back?"))
with refusals():
    model = state.model(view)
    if not model.is_changed:
        st.info(
            _("This is still the model as loaded: compress a layer on Tune, and win it back here."),
            icon=":material/tune:",
        )
        page_files.link("tune")
    if model.subject.training is None:
        add_items.draw(model.subject)
    else:
        _training(model)
