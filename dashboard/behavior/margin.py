"""How many points of accuracy may be lost: the visitor's to say."""

from __future__ import annotations

import math

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.measure.behavior.compare import MARGIN_POINTS, MOST_MARGIN_POINTS
from dashboard.shared_choice import SharedChoice
from dashboard.text import _

WIDGET = "behavior.margin"
LEAST, STEP = 0.01, 0.1


def _read(text: str) -> float | None:
    """A margin from a link."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and LEAST <= value <= MOST_MARGIN_POINTS else None


_CHOICE = SharedChoice("margin", MARGIN_POINTS, _read)


def chosen_margin() -> float:
    """The margin in points."""
    return _CHOICE.chosen()


def draw(place: DeltaGenerator) -> None:
    """The box that asks for it."""
    st.session_state[WIDGET] = chosen_margin()
    place.number_input(
        _("Margin: points of accuracy that may be lost"),
        LEAST,
        MOST_MARGIN_POINTS,
        step=STEP,
        format="%.2f",
        key=WIDGET,
        on_change=lambda: _CHOICE.choose(float(st.session_state[WIDGET])),
        help=_(
            "Within the margin means: with 95 % confidence at most so many points are lost. "
            "{usual:g} is usual."
        ).format(usual=MARGIN_POINTS),
    )
