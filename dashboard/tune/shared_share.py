"""What a share does that is of a budget: whom else it moves, what each has, and the way out of it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import partial

import streamlit as st

from compress_core.apply.shared_budget import on_their_own
from compress_core.measure.tables.budget_rows import BudgetRow, budget_rows
from dashboard import engine, group_search, state
from dashboard.bound_widget import refused_beside
from dashboard.figures.words import percent
from dashboard.text import _, literal
from dashboard.tune.knob_of_layer import KnobOfLayer
from dashboard.tune.steps import take


def beforehand(layer: str, together: Sequence[str], locked: Container[str]) -> str:
    """What setting the share of a layer does, in plain text, before it is set; empty where it is its own."""
    if len(together) == 1:
        return ""
    said = [
        _(
            "{count} layers share one budget: a share that is set here is that of all of them together. "
            "With 0 only {layer} leaves it, and the others keep what they have."
        ).format(count=len(together), layer=layer),
        held_by(together, locked),
    ]
    return " ".join(filter(None, said))


def held_by(together: Sequence[str], locked: Container[str]) -> str:
    """Which of the layers that share a budget are locked, so that it cannot be moved; empty where none is."""
    held = [name for name in together if name in locked]
    return _("{layer} shares this budget and is locked.").format(layer=", ".join(held)) if held else ""


def draw(place: KnobOfLayer, together: Sequence[str]) -> None:
    """Who shares the budget, what each of them loses now and would lose, and the way out of it."""
    layer = place.layer.name
    held = held_by(together, place.view.locked)
    if held:
        st.caption(literal(held))
    opened = st.popover(
        _("{count} layers share it").format(count=len(together)),
        icon=":material/group_work:",
        width="stretch",
        key=f"{place.key}.budget",
        on_change="rerun",
    )
    with opened:
        st.markdown(
            _(
                "The share is counted over these layers together. Were {layer} kept whole and the share "
                "counted on without it, the others would lose what stands in the last column."
            ).format(layer=literal(layer))
        )
        if opened.open:  # two more models are made for it
            _table(budget_rows(place.model, layer, engine.store()))
        st.button(
            _("Give {layer} a share of its own").format(layer=literal(layer)),
            key=f"{place.key}.alone",
            on_click=partial(_alone, layer, place.slider),
            disabled=place.is_locked,
        )
        st.caption(_("Every layer keeps what it has then; from there each knob moves its own layers only."))


def _table(rows: Sequence[BudgetRow]) -> None:
    st.table(
        {
            _("Layer"): [literal(row.layer) for row in rows],
            _("Removed now"): [percent(row.now) for row in rows],
            _("With a share of its own"): [percent(row.alone) for row in rows],
            _("Were it kept whole"): [percent(row.without) for row in rows],
        }
    )


def _alone(layer: str, slider: str) -> None:
    view = state.required()
    with refused_beside(slider, None):
        take(on_their_own(group_search.model_of_view(view), [layer]))
