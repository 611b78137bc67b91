"""What the knobs of Tune mean for a model that was trained after its recipe."""

from __future__ import annotations

import streamlit as st

from dashboard.lineage_name import methods_text
from dashboard.text import _
from dashboard.view import View


def draw(view: View) -> None:
    """One line: the knobs stand before the training, which a moved one leaves behind."""
    if not view.trainings:
        return
    st.badge(
        _("trained by {methods}").format(methods="; ".join(methods_text(each) for each in view.trainings)),
        icon=":material/model_training:",
        color="blue",
        help=_(
            "The knobs and what stands beside them are of the weights before the training; bytes, accuracy "
            "and output errors are of the trained model. A knob that is moved begins before the training: "
            "train again afterwards. Undo leads back to the trained model."
        ),
    )
