"""What does this layer do to me? Prune, rank and bits of every layer, with what follows from them."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.printable import printable
from compress_core.foundation.texts import N_
from dashboard import recipe_warnings, state
from dashboard.text import _
from dashboard.tune import (
    coupled_groups,
    input_steps,
    layer_table,
    quantizer_comparison,
    recipe_view,
    rules,
    sliders,
    steps,
    whole_network,
)

TITLE = N_("Tune")
ICON = ":material/tune:"
ORDER = 20

view = state.on_page()
subject = state.subject(view)
model = state.model(view)

st.title(_("What does this layer do to me?"))
recipe_warnings.draw(model)
with st.expander(_("One knob for many layers"), expanded=True, icon=":material/tune:"):
    rules.draw(view, subject)
whole_network.draw(view, model)
coupled_groups.draw(view, model)

chosen, same, reset, reset_all = st.columns([3, 1.6, 1, 1], vertical_alignment="bottom")
names = list(subject.by_name)
key = f"tune.layer.{view.layer}"
chosen.selectbox(
    _("Layer"),
    names,
    names.index(view.layer),
    format_func=printable,
    key=key,
    on_change=steps.choose_layer,
    args=(key,),
)
layer = subject.layer(view.layer)
alike = [other.name for other in subject.layers if other.label == layer.label and other.name != layer.name]
same.button(
    _("Same for all of kind {kind}").format(kind=_(layer.label)),
    on_click=steps.same_for,
    args=(layer.name, alike),
    disabled=not alike,
    width="stretch",
)
reset.button(_("Reset layer"), on_click=steps.reset, args=([layer.name],), width="stretch")
reset_all.button(_("Reset all"), on_click=steps.reset_all, width="stretch")

sliders.draw(view, model, layer.name)
quantizer_comparison.draw(view, model, layer.name)
input_steps.draw(view, model, layer.name)
layer_table.draw(view, model)
recipe_view.draw(view, subject)
