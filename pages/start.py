"""What can I try?"""

import streamlit as st

from compress_core.subject.cards import cards
from dashboard import state

state.through_app()
for name in cards():
    if st.button(name):
        state.keep(state.open_model(name))
        st.switch_page("pages/tune.py")
