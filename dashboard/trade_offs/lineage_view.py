"""Which model came from which, as a tree."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.done_words import done_in_words
from dashboard.figures.lineage_tree import MOST_MODELS, lineage_tree, newest_with_ancestors
from dashboard.figures.measures import Measure
from dashboard.show import figure, is_dark
from dashboard.text import _
from dashboard.trade_offs import picked_models

FIGURE = "trade_offs.lineage"


def draw(models: pd.DataFrame, offered: Sequence[Measure], up: Measure, here: str) -> None:  # noqa: ARG001 - as all
    """The newest models with all on the way to them; a click picks one. here: the key of the open model."""
    shown = newest_with_ancestors(models)
    if len(shown) < len(models):
        st.caption(
            _("The newest {shown:,} of {all:,} models, and what they came from.").format(
                shown=MOST_MODELS, all=len(models)
            )
        )
    said = [done_in_words(what) for what in shown["what"]]
    letters = picked_models.letters(models)
    drawn = lineage_tree(shown, up, letters=letters, said=said, here=here, dark=is_dark())
    keys = list(shown["key"])
    figure(drawn, FIGURE, on_click=lambda: picked_models.toggle_clicked(FIGURE, keys))
