"""What is left in there? Sparsity, weights before and after, error and dead channels."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.texts import N_
from compress_core.measure.tables.layer_weights import channel_sparsity, layer_weights
from dashboard import engine, state
from dashboard.figures.sparsity_maps import dead_channels, sparsity_by_channel
from dashboard.show import figure, is_dark, kept
from dashboard.text import _
from dashboard.weights.activations import activations
from dashboard.weights.layer import after_click, chosen_layer, detail, sizes

TITLE = N_("Weights")
ICON = ":material/grid_on:"
ORDER = 30

view = state.on_page()
model = state.model(view)
dark = is_dark()

st.title(_("What is left in there?"))
if not model.is_changed:
    st.info(_("Nothing has been changed yet: move a slider on Tune and come back."), icon=":material/info:")

channels = channel_sparsity(model, engine.store())
overview, bytes_now = st.columns([1.25, 1], gap="medium")
with overview:
    drawn = kept("channels", model.key, lambda: sparsity_by_channel(channels.shares, dark=dark))
    clicked = figure(drawn, "weights.channels", selectable=True)
    after_click(clicked, list(channels.shares))
    if channels.dead.any():
        names = list(channels.shares)
        dead = channels.dead
        drawn = kept("dead", model.key, lambda: dead_channels(names, dead, channels.channels, dark=dark))
        figure(drawn, "weights.dead")
with bytes_now:
    figure(kept("bytes", model.key, lambda: sizes(model, dark=dark)), "weights.bytes")

activations(model, dark=dark)

name = chosen_layer(state.required())
detail(layer_weights(model, name, engine.store()), model, dark=dark)
