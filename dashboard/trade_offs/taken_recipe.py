"""A recipe that was found on Trade-offs becomes the visitor's, and stands on the map of all models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.text import _
from dashboard.trade_offs import tab_files
from dashboard.tune.steps import keep

if TYPE_CHECKING:
    from compress_core.recipe.values import ResolvedRecipe
    from dashboard.view import View

MAP = "all_models"


def buttons(view: View, recipe: ResolvedRecipe, key: str) -> None:
    """One that takes a recipe over, unless the visitor has it, and one that shows all models."""
    is_taken = view.recipe == recipe and not view.stands_on
    take, show = st.columns(2)
    take.button(
        _("It is the recipe of all pages") if is_taken else _("Take it over"),
        key=f"{key}.take",
        icon=":material/check:",
        on_click=take_over,
        args=(recipe,),
        disabled=is_taken,
        help=_("The recipe of all pages is this one then; Undo leads back."),
        width="stretch",
    )
    show.button(
        _("Show all models"),
        key=f"{key}.map",
        icon=":material/scatter_plot:",
        on_click=tab_files.open_tab,
        args=(MAP,),
        help=_("The recipe stands on the map beside all others."),
        width="stretch",
    )


def take_over(recipe: ResolvedRecipe) -> None:
    """Make this the visitor's recipe, of the model as loaded."""
    keep(recipe, of_original=True)
