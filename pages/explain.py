"""Does it still look at the same things? Maps of an item before and after, and their likeness over many."""

from __future__ import annotations

import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.evaluate import compare
from dashboard import chosen_split, engine, page_files, state
from dashboard.explain import choice
from dashboard.explain import many_items as many
from dashboard.explain import one_item as item
from dashboard.item_number import say_number_in_file
from dashboard.show import refusals
from dashboard.text import _

TITLE = N_("Explain")
ICON = ":material/visibility:"
ORDER = 50

view = state.on_page()


def _nothing_to_explain() -> None:
    st.info(
        _(
            "There is no item to explain: this model came without data. Upload an .npz file with inputs "
            "(and labels, if they are known) beside it on Start."
        ),
        icon=":material/upload_file:",
    )
    page_files.link("start")


def _side_by_side(model: Model) -> None:
    """The maps of one item, then the likeness over many."""
    if not model.is_changed:
        st.info(
            _(
                "Both models are still the same, so their maps are too: "
                "compress a layer on Tune and come back."
            ),
            icon=":material/tune:",
        )
        page_files.link("tune")
    choice.way_back()
    split = chosen_split.chosen_split(model.subject)
    chosen_split.draw(st.container(), model.subject)
    chosen_split.count_look(model, split)
    comparison = compare(model, split, engine.store())
    left, right = st.columns([2, 1.3], gap="medium")
    method = choice.method(left, model.subject, split)
    if method is not None:
        chosen = choice.item(right, comparison)
        with right:
            say_number_in_file(split, chosen)
        place = choice.asked_place(model.subject, split, chosen)
        value = choice.asked_value(model.subject)
        item.draw(item.ItemView(model, split, chosen, method, view.seed, place, value), comparison)
        many.draw(view, model, split, method, comparison, value)


st.title(_("Does it still look at the same things?"))
with refusals():
    model = state.model(view)
    if chosen_split.offered(model.subject):
        _side_by_side(model)
    else:  # no st.stop(): app.py has the foot of the page still to draw, and the link to write
        _nothing_to_explain()
