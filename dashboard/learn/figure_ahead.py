"""What draws figures is fetched and warmed up while a visitor thinks: a browser takes long, the first time.

A second for the scripts; and a tenth for all that they do when they first draw axes, intervals and a legend.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from dashboard.figures.predicted_outcome import MeasuredCurve, predicted_outcome
from dashboard.text import current_language, use_language

KEY = "learn_figure_ahead"  # never seen: dashboard/page_style.css
PLACES = 9


def draw() -> None:
    """A figure of the outcome's kind that is not seen, and says nothing of any lesson."""
    with st.container(key=KEY):
        st.plotly_chart(_figure(current_language()), theme=None, key=f"{KEY}.figure")


@cache
def _figure(language: str) -> go.Figure:
    flat = np.zeros(PLACES)
    curve = MeasuredCurve("-", "-", "-", [str(place) for place in range(PLACES)], flat, flat - 1, flat + 1)
    with use_language(language):
        return predicted_outcome(curve, asked=1, predicted=1.0, whose="-", here=1, title="-").figure
