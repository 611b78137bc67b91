"""The selected layer: which it is, its knobs, and what can be done with all of them at once."""

from __future__ import annotations

import streamlit as st

from compress_core.apply.model import Model
from dashboard.text import _, literal
from dashboard.tune import sliders, steps
from dashboard.view import View


def draw(view: View, model: Model) -> None:
    """Its name, buttons for the whole of it, and the three knobs."""
    subject = model.subject
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    layer = subject.layer(view.layer)
    row.markdown(f"**{literal(layer.name)}** · {literal(_(layer.label))} · {sliders.as_shape(layer)}")
    alike = [x.name for x in subject.layers if x.label == layer.label and x.name != layer.name]
    row.button(
        _("Same for all of kind {kind}").format(kind=_(layer.label)),
        on_click=steps.same_for,
        args=(layer.name, alike),
        disabled=not alike,
    )
    row.button(_("Reset layer"), on_click=steps.reset, args=([layer.name],))
    row.button(_("Reset all"), on_click=steps.reset_all)
    sliders.draw(view, model, layer.name)
