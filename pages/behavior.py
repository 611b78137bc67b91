"""Who is hurt? Flips, classes, calibration and confidence, with the items themselves."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.texts import N_
from compress_core.measure.behavior.evaluate import compare
from dashboard import chosen_split, engine, state
from dashboard.behavior import changed_items, charts, margin, moved_items, verdict
from dashboard.show import refusals
from dashboard.text import _

TITLE = N_("Behavior")
ICON = ":material/groups:"
ORDER = 40

view = state.on_page()
model = state.model(view)

st.title(_("Who is hurt?"))
with refusals():
    split = chosen_split.chosen_split(model.subject)
    judged, allowed = st.columns([1.6, 1], vertical_alignment="bottom", gap="medium")
    chosen_split.draw(judged, model.subject)
    if model.subject.answers.has_classes:
        margin.draw(allowed)
    chosen_split.count_look(model, split)
    compared = compare(model, split, engine.store())
    verdict.draw(compared, split, margin.chosen_margin(), edited=model.is_changed)
    if not model.is_changed:
        st.info(_("Both models are the same so far: move a slider on Tune."), icon=":material/info:")
    if model.subject.answers.has_classes:
        charts.draw(model, compared, split)
        changed_items.draw(view, model, compared, split)
    else:
        moved_items.draw(model, compared, split)
