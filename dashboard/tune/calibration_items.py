"""On how many calibration items the recipe's steps measure."""

from __future__ import annotations

import streamlit as st

from compress_core.apply.model import Model
from compress_core.recipe.edit import with_calibration
from dashboard import state
from dashboard.text import _
from dashboard.tune.steps import keep
from dashboard.view import View

KEY = "tune.calibration_items"


def draw(view: View, model: Model) -> None:
    """One number; greyed out while the recipe does nothing that could measure."""
    there = model.subject.splits.get("calibration")
    if there is None:
        return
    chosen = view.recipe.calibration.items
    key = f"{KEY}.{view.version}"
    st.number_input(
        _("Calibration items, of {count}").format(count=len(there)),
        1,
        len(there),
        len(there) if chosen is None else min(chosen, len(there)),
        key=key,
        help=_("On how many of them steps measure, for the whole recipe; more are slower and more certain."),
        on_change=_changed,
        args=(key, len(there)),
        disabled=not view.recipe,
    )


def _changed(key: str, there: int) -> None:
    items = int(st.session_state[key])
    keep(with_calibration(state.required().recipe, None if items >= there else items))
