"""Slimscope: see what compression does to a neural network while you do it."""

from __future__ import annotations

import streamlit as st

from compress_core.foundation.errors import Refused
from dashboard import engine, header, state
from dashboard.language import remember_language
from dashboard.serving import give_main_back
from dashboard.text import _, refusal
from dashboard.visitor import remember_visitor

give_main_back()
st.set_page_config(
    page_title="Slimscope", page_icon=str(engine.ICON), layout="wide", menu_items={"about": "Slimscope"}
)
engine.warmed_up()
remember_language()
try:
    state.read_link()
except Refused as refused:
    state.forget_link()
    state.notice(refusal(refused))  # a page without a model sends on to Start: it has to outlive that

page = st.navigation(
    [
        st.Page("pages/start.py", title=_("Start"), icon=":material/home:", default=True),
        st.Page("pages/tune.py", title=_("Tune"), icon=":material/tune:"),
        st.Page("pages/weights.py", title=_("Weights"), icon=":material/grid_on:"),
        st.Page("pages/behavior.py", title=_("Behavior"), icon=":material/groups:"),
        st.Page("pages/explain.py", title=_("Explain"), icon=":material/visibility:"),
        st.Page("pages/deploy.py", title=_("Deploy"), icon=":material/deployed_code:"),
    ],
    position="top",
)
fill_in_numbers = header.draw()
page.run()
state.write_link()
header.footer()
remember_visitor()
fill_in_numbers()
