"""The four figures of Behavior: flips, confidence, classes, calibration."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.behavior import flips_filter
from dashboard.behavior.verdict import calibration
from dashboard.figures.changes import flips_matrix, per_class_change
from dashboard.figures.confidence import confidence_drift
from dashboard.flip_words import class_of
from dashboard.show import figure, is_dark, kept, provenance
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.foundation.csv_table import Provenance
    from compress_core.measure.behavior.compare import Comparison
    from compress_core.subject.split import Split


def draw(model: Model, compared: Comparison, split: Split) -> None:
    """Two by two; without labels the first two alone. A click on a cell of the flips filters the gallery."""
    subject, dark = model.subject, is_dark()
    seen = f"{model.key}:{split.digest}"
    judged = provenance(split=split.name, items=len(split))
    left, right = st.columns(2, gap="medium")
    with left:
        _flips(model, compared, split, judged)
    with right:
        drawn = kept("drift", seen, lambda: confidence_drift(compared.confidence_pairs(), dark=dark))
        figure(drawn, "behavior.confidence", judged)
    if compared.has_labels:
        left, right = st.columns(2, gap="medium")
        with left:
            classes = subject.classes
            drawn = kept("classes", seen, lambda: per_class_change(compared.per_class(), classes, dark=dark))
            figure(drawn, "behavior.classes", judged)
        with right:
            drawn = kept("reliability", seen, lambda: calibration(compared, dark=dark))
            figure(drawn, "behavior.reliability", judged)


def _flips(model: Model, compared: Comparison, split: Split, judged: Provenance) -> None:
    subject, flips = model.subject, compared.flips()
    names = [class_of(subject, number) for number in range(len(subject.choices))]
    chosen = flips_filter.shown(subject).flips
    marked = (chosen.before, chosen.after)
    drawn = kept(
        f"flips:{marked}",
        f"{model.key}:{split.digest}",
        lambda: flips_matrix(flips, names, marked=marked, dark=is_dark()),
    )
    numbers = [int(number) for number in flips.index]
    figure(
        drawn,
        flips_filter.MATRIX,
        judged,
        on_click=partial(flips_filter.take_click, subject, numbers),
    )
    st.caption(_("A click on a cell shows these items below; a second click shows all."))
