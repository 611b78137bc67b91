"""What does this layer do to me? Prune, rank and bits of every layer, with what follows from them."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.texts import N_
from dashboard import limits_box, link_limits, recipe_warnings, state, which_layer_bears
from dashboard.shared_choice import SharedChoice
from dashboard.show import refusals
from dashboard.text import _
from dashboard.tune import (
    coupled_groups,
    criterion_comparison,
    followed_item,
    input_steps,
    layer_table,
    layer_trials,
    network_picture,
    quantizer_comparison,
    recipe_view,
    rules,
    selected_layer,
    trained_since,
    tried,
    whole_network,
)
from dashboard.tune.held_by_link import with_held_layers

TITLE = N_("Tune")
ICON = ":material/tune:"
ORDER = 20

view = with_held_layers(state.on_page())
model = state.model(view)

BESIDE = {"layers": (N_("All layers"), layer_table.draw), "item": (N_("One item"), followed_item.draw)}
SHOWN = SharedChoice("beside", "layers", lambda text: text if text in BESIDE else None)
st.session_state["tune.beside"] = SHOWN.chosen()
with st.container(horizontal=True, vertical_alignment="center"):  # one place, however many warnings there are
    st.title(_("What does this layer do to me?"), width="content")
    shown = st.segmented_control(
        _("Beside the knobs"),
        list(BESIDE),
        format_func=lambda name: _(BESIDE[name][0]),
        key="tune.beside",
        on_change=lambda: SHOWN.choose(st.session_state["tune.beside"]),
        label_visibility="collapsed",
        required=True,
        width="content",
    )
    if shown == "layers":
        layer_table.download(model)
    limits_box.draw_limits(link_limits.limits(), link_limits.TUNE_CONTROLS, model.subject.by_name)
    recipe_warnings.draw(model)
    trained_since.draw(view)
beside, layer = st.columns([5, 7], gap="medium")
with beside:
    BESIDE[shown or "layers"][1](view, model)
with layer:
    selected_layer.draw(view, model)

SECTIONS = {
    _("Many layers"): rules.draw,
    _(which_layer_bears.EACH_LAYER): layer_trials.draw,
    _("Criteria"): criterion_comparison.draw,
    _("Quantizers"): quantizer_comparison.draw,
    _("What shrinks together"): coupled_groups.draw,
    _("Before and after"): whole_network.draw,
    _("Inputs"): input_steps.draw,
    _("Network"): network_picture.draw,
    _("Recipe"): recipe_view.draw,
    _("Tried"): tried.draw,
}
if "tabs" not in link_limits.limits().hidden:
    places = st.tabs(list(SECTIONS), key=which_layer_bears.SECTIONS, on_change="rerun")
    for tab, draw in zip(places, SECTIONS.values(), strict=True):
        if tab.open:
            with tab, refusals():
                draw(view, model)
