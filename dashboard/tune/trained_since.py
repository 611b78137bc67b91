"""What the knobs of Tune mean where a training came after the recipe, or the recipe stands on another."""

from __future__ import annotations

import streamlit as st

from dashboard.lineage_name import lineage_name, methods_text
from dashboard.text import _
from dashboard.view import View


def draw(view: View) -> None:
    """One line: the knobs stand before a training, which a moved one leaves behind, or on top of a model."""
    if view.stands_on:
        st.badge(
            _("on top of {name}").format(name=lineage_name(view.stands_on)),
            icon=":material/layers:",
            color="blue",
            help=_(
                "The knobs begin with the weights that were left there; what was pruned there stays zero."
            ),
        )
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
