"""The models that were picked, with what can be done with each, and the way to compare them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.bound_widget import by_hand, showing
from dashboard.done_words import done_in_words
from dashboard.text import _, literal
from dashboard.trade_offs import model_actions, picked_models, tab_files

_KEY = "trade_offs.picked"


def draw(models: pd.DataFrame, here: str) -> None:
    """A box to pick by name, then each picked model. here: the key of the model that is open."""
    letters = picked_models.letters(models)
    pick_by_name(models)
    st.button(
        _("Compare them"),
        key="trade_offs.compare",
        icon=":material/compare_arrows:",
        type="primary",
        disabled=len(letters) < 2,
        help=_("Pick two to five models: here, in the figure or in the table."),
        on_click=tab_files.open_tab,
        args=("compare_models",),
        width="stretch",
    )
    rows = {str(row["key"]): row for _index, row in models.iterrows()}
    shown = letters or ({here: ""} if here in rows else {})
    for key, letter in shown.items():
        title = (
            f"{letter} · {rows[key]['label']}"
            if letter
            else _("Open now: {model}").format(model=rows[key]["label"])
        )
        with st.expander(literal(title), expanded=len(shown) == 1):
            model_actions.draw(rows[key], here)


def pick_by_name(models: pd.DataFrame) -> None:
    """A box with all models, of which up to five are picked."""
    labels = dict(zip(models["key"], _told_apart(models), strict=True))
    st.multiselect(
        _("Picked, two to five"),
        list(labels)[::-1],
        format_func=lambda key: labels[key],
        key=showing(_KEY, list(picked_models.picked(models))),
        max_selections=picked_models.MOST,
        placeholder=_("Pick models by name"),
        on_change=by_hand(_KEY, lambda: picked_models.pick(st.session_state[_KEY])),
    )


def _told_apart(models: pd.DataFrame) -> list[str]:
    """What each is called, and what was done."""
    pairs = zip(models["label"], map(done_in_words, models["what"]), strict=True)
    return [f"{label}: {what}" if what and what != label else str(label) for label, what in pairs]
