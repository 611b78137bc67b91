"""The link to what a visitor sees, what it is worth elsewhere, and the page as it is shown to a room."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import state
from dashboard.link_address import link_to, say_how_to_serve
from dashboard.linked_choices import PRESENT, is_presenting
from dashboard.opened import handed_over
from dashboard.shared_choice import written
from dashboard.text import _
from dashboard.view import View

_CHOICE = "slimscope.present.choice"


def draw(view: View) -> DeltaGenerator:
    """The link, a sentence for each reason why it may not open elsewhere, and the switch for a projector.

    Gives the place of the link, to write it again when the page has said what was chosen on it.
    """
    st.markdown(
        _("This link opens the same page, model, recipe, layer and seed, and the item and method of Explain:")
    )
    place = st.empty()
    write(place, view)
    say_how_to_serve(link(view), "" if view.model.startswith(state.USER_MODEL) else view.model)
    if view.model in handed_over():
        st.caption(_("It works while this server runs with this model."))
    elif view.model.startswith(state.USER_MODEL):
        st.caption(_("Whoever opens it has to upload the same model first."))
    st.session_state[_CHOICE] = is_presenting()  # a link may have changed it since
    st.toggle(
        _("Presenter mode"),
        key=_CHOICE,
        help=_("Large type and little else on the screen, for a projector. The link carries it along."),
        on_change=_take_over,
    )
    return place


def write(place: DeltaGenerator, view: View) -> None:
    """The link at its place."""
    place.code(link(view), language=None, wrap_lines=True)


def link(view: View) -> str:
    """The address of what the visitor sees now."""
    said = {key: value for key, value in {**state.link_parameters(view), **written()}.items() if value}
    return link_to(said)


def _take_over() -> None:
    st.session_state[PRESENT] = st.session_state[_CHOICE]
