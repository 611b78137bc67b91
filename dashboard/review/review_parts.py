"""The evidence below a verdict, one tab each, drawn only while open; which one is open stands in the link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import streamlit as st

from compress_core.foundation.texts import N_
from dashboard.bound_widget import by_hand, showing
from dashboard.review.parts import (
    alike_rows,
    class_rows,
    cost_rows,
    flip_gallery,
    signed_decision,
    untested,
)
from dashboard.shared_choice import SharedChoice
from dashboard.show import refusals
from dashboard.text import _

if TYPE_CHECKING:
    from dashboard.review.review_job import ReviewOnPage

KEY = "review.parts"
PARTS: Mapping[str, tuple[str, Callable[[ReviewOnPage], None]]] = MappingProxyType(
    {
        "flips": (N_("Items that changed"), flip_gallery.draw),
        "classes": (N_("Classes"), class_rows.draw),
        "maps": (N_("What the models look at"), alike_rows.draw),
        "costs": (N_("Sizes and times"), cost_rows.draw),
        "untested": (N_("Not tested"), untested.draw),
        "decision": (N_("Decision and report"), signed_decision.draw),
    }
)
OF_CLASSES = ("flips", "classes")
OPEN: SharedChoice[str] = SharedChoice("part", "flips", lambda text: text if text in PARTS else None)


def draw(shown: ReviewOnPage) -> None:
    """The titles of all parts, and what the open one shows."""
    left_out = () if shown.review.is_of_classes else OF_CLASSES
    titles = {_(title): name for name, (title, _draw) in PARTS.items() if name not in left_out}
    now = next((title for title, name in titles.items() if name == OPEN.chosen()), next(iter(titles)))
    places = st.tabs(
        list(titles),
        key=showing(KEY, now),
        on_change=by_hand(KEY, lambda: OPEN.choose(titles[st.session_state[KEY]])),
    )
    for place, name in zip(places, titles.values(), strict=True):
        if place.open:
            with place, refusals():
                PARTS[name][1](shown)
