"""Who is hurt? Flips, classes, calibration and confidence, with the items themselves."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.texts import N_
from compress_core.measure.behavior.evaluate import compare
from dashboard import engine, state
from dashboard.behavior import changed_items as behavior_view
from dashboard.figures.changes import flips_matrix, per_class_change
from dashboard.figures.confidence import confidence_drift
from dashboard.show import figure, is_dark, kept, refusals
from dashboard.text import _

TITLE = N_("Behavior")
ICON = ":material/groups:"
ORDER = 40

view = state.on_page()
model = state.model(view)
subject = model.subject
dark = is_dark()

st.title(_("Who is hurt?"))
with refusals():
    split = subject.split("validation")
    compared = compare(model, split, engine.store())
    seen = f"{model.key}:{split.digest}"
    behavior_view.verdict(compared, split, edited=model.is_changed)
    if not model.is_changed:
        st.info(_("Both models are the same so far: move a slider on Tune."), icon=":material/info:")

    left, right = st.columns(2, gap="medium")
    with left:
        drawn = kept("flips", seen, lambda: flips_matrix(compared.flips(), subject.classes, dark=dark))
        figure(drawn, "behavior.flips")
    with right:
        drawn = kept("drift", seen, lambda: confidence_drift(compared.confidence_pairs(), dark=dark))
        figure(drawn, "behavior.confidence")
    if compared.has_labels:
        left, right = st.columns(2, gap="medium")
        with left:
            classes = subject.classes
            drawn = kept("classes", seen, lambda: per_class_change(compared.per_class(), classes, dark=dark))
            figure(drawn, "behavior.classes")
        with right:
            drawn = kept("reliability", seen, lambda: behavior_view.calibration(compared, dark=dark))
            figure(drawn, "behavior.reliability")
    behavior_view.gallery(compared, subject, split)
