"""What was measured of a solved budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from compress_core.decide.options import Resource
from compress_core.foundation.number import fixed
from dashboard.figures.words import in_bytes, whole
from dashboard.show import with_interval
from dashboard.text import _, literal
from dashboard.trade_offs import taken_recipe

if TYPE_CHECKING:
    from compress_core.decide.budget_found import BudgetFound
    from dashboard.view import View


def draw(view: View, found: BudgetFound) -> None:
    """Sizes and answers on all validation items, how they came about, and the button that takes them over."""
    rows = {_size_title(name): _size(name, cost) for name, cost in found.cost.items()}
    titles = {
        "accuracy": _("Accuracy"),
        "accuracy_change": _("Accuracy change"),
        "kl": _("KL divergence"),
        "milliseconds": _("One item in torch"),
    }
    rows |= {
        title: with_interval(found.numbers[name]) for name, title in titles.items() if name in found.numbers
    }
    if found.worst_class is not None:
        rows[_("Class that loses most")] = _("{points} points").format(
            points=fixed(-found.worst_class, 2, "+")
        )
    st.table(pd.Series(rows, name=_("Solved and measured")).to_frame(), border="horizontal")
    if not found.holds:
        st.warning(
            _("The drop or the time does not hold: no better recipe was found within these limits."),
            icon=":material/trending_down:",
        )
    st.caption(
        literal(
            _(
                "On {n:,} items {evaluations} changes were measured and {accepted} kept: {before:.4g} became "
                "{after:.4g} nat. The numbers above are of all validation items."
            ).format(
                n=found.n,
                evaluations=found.evaluations,
                accepted=found.accepted,
                before=found.kl_solved,
                after=found.kl_polished,
            )
        )
    )
    taken_recipe.buttons(view, found.recipe, "budget")


def _size_title(name: str) -> str:
    return _("Packed file") if name == Resource.BYTES.value else _(Resource(name).label)


def _size(name: str, cost: float) -> str:
    if name != Resource.BYTES.value:
        return whole(cost)
    return _("{size} ({bytes} bytes)").format(size=in_bytes(cost), bytes=whole(cost))
