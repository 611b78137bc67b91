"""On how many calibration items the recipe's steps measure."""

from __future__ import annotations

import streamlit as st

from compress_core.apply.model import Model
from compress_core.recipe.edit import with_calibration
from dashboard import state
from dashboard.bound_widget import beside, by_hand, refused_beside, showing
from dashboard.text import _
from dashboard.tune.steps import take
from dashboard.view import View

KEY = "tune.calibration_items"


def draw(view: View, model: Model) -> None:
    """One number; grayed out while the recipe does nothing that could measure."""
    there = model.subject.splits.get("calibration")
    if there is None:
        return
    chosen = view.recipe.calibration.items
    st.number_input(
        _("Calibration items, of {count}").format(count=len(there)),
        1,
        len(there),
        key=showing(KEY, len(there) if chosen is None else min(chosen, len(there))),
        help=_("On how many of them steps measure, for the whole recipe; more are slower and more certain."),
        on_change=by_hand(KEY, _changed, len(there)),
        disabled=not view.recipe,
    )
    beside(KEY)


def _changed(there: int) -> None:
    items = int(st.session_state[KEY])
    with refused_beside(KEY, items):
        take(with_calibration(state.required().recipe, None if items >= there else items))
