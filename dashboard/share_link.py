"""The link to what a visitor sees, what it is worth elsewhere, and the page as it is shown to a room."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import page_address, presenter_switch, state
from dashboard.limits_box import choose_limits
from dashboard.link_address import link_to, say_how_to_serve
from dashboard.link_builder import draw_builder, language_and_seed, open_builder, show_link, shown_page
from dashboard.link_limits import TUNE_CONTROLS, LinkLimits
from dashboard.opened import handed_over
from dashboard.page_files import page_files
from dashboard.shared_choice import written
from dashboard.text import _
from dashboard.view import View

_WITHOUT_MODEL = frozenset({"start", "learn"})
BOX = "slimscope_share"
_NAME = "page"
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
    say_how_to_serve(link(view), _named(view))
    _say_what_it_needs(view)
    said = _("For a class, as QR code")
    st.button(said, icon=":material/qr_code_2:", key="slimscope.link.build", on_click=_open_builder)
    presenter_switch.draw(_CHOICE)
    draw_builder(_NAME, _build)
    return place


def _open_builder() -> None:
    """Close the box: what opens now covers the page."""
    st.session_state[BOX] = False
    open_builder(_NAME)


def write(place: DeltaGenerator, view: View) -> None:
    """The link at its place."""
    place.code(link(view), language=None, wrap_lines=True)


def link(view: View) -> str:
    """The address of what the visitor sees now."""
    return link_to(_filled(said_of(view)))


def said_of(view: View, page: str | None = None) -> dict[str, str]:
    """What the link to a page says; what was chosen on the page that is shown belongs to that one alone."""
    chosen = written() if page in {None, shown_page()} else {}
    return {**page_address.parameters(view), **chosen}


def _filled(said: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in said.items() if value}


def _named(view: View) -> str:
    """The model as a command names it; empty for one of somebody's own."""
    return "" if view.model.startswith(state.USER_MODEL) else view.model


def _say_what_it_needs(view: View) -> None:
    if view.model in handed_over():
        st.caption(_("It works while this server runs with this model."))
    elif view.model.startswith(state.USER_MODEL):
        st.caption(_("Whoever opens it has to upload the same model first."))


def _build() -> None:
    """The link to a page with the model, recipe and layer that are open, for others."""
    view = state.required()
    fields, picture = st.columns([1, 1], gap="medium")
    with fields:
        page = _chosen_page()
        said = {**said_of(view, page), **language_and_seed(view.seed), **_limits_of(view, page)}
        show_link(picture, link_to(_filled(said), page), _named(view), f"{page}-{view.model}")
        _say_what_it_needs(view)


def _limits_of(view: View, page: str) -> dict[str, str]:
    """What the link hides and locks; a page other than Tune has nothing of that."""
    if page != "tune":
        return LinkLimits().said()
    with st.expander(_("What it hides and locks"), icon=":material/lock:"):
        return choose_limits(TUNE_CONTROLS, list(state.subject(view).by_name)).said()


def _chosen_page() -> str:
    """Which page the link opens: at first the one that is shown."""
    pages = [name for name in page_files() if name not in _WITHOUT_MODEL]
    shown = shown_page()
    return st.selectbox(
        _("Page"),
        pages,
        index=pages.index(shown if shown in pages else "tune"),
        format_func=lambda name: _(page_files()[name].title),
        key="link.page",
    )
