"""What draws figures is fetched while a visitor thinks: a browser takes a second for it, the first time."""

from __future__ import annotations

import streamlit as st

KEY = "learn_figure_ahead"  # never shown: dashboard/page_style.css


def draw() -> None:
    """An empty figure that is not shown."""
    with st.container(key=KEY):
        st.plotly_chart({"data": [{"type": "scatter"}]}, key=f"{KEY}.figure")
