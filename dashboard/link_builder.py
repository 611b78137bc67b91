"""What a teacher hands out: a link that says what its visitors begin with, and the same as a QR code.

It changes nothing for whoever builds it: what is chosen here stands in the link alone.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.language import QUERY_KEY
from dashboard.link_address import say_how_to_serve
from dashboard.linked_choices import MOST_DIGITS
from dashboard.qr_code import qr_code
from dashboard.text import _, current_language, languages

PICTURE_PX = 520
_OPEN = "slimscope.link.open"
_LARGEST_SEED = 10 ** (MOST_DIGITS - 1) - 1


def open_builder(name: str) -> None:
    """Have a builder shown over the page that is open, until it is put away."""
    st.session_state[_OPEN] = (name, shown_page())


def draw_builder(name: str, draw: Callable[[], None]) -> None:
    """Show a builder where it was opened: in every run, since a page is also drawn anew by itself."""
    if st.session_state.get(_OPEN, ("", ""))[1] != shown_page():  # another page was gone to meanwhile
        _put_away()
    if st.session_state.get(_OPEN) == (name, shown_page()):
        decorated = st.dialog(
            _("A link for others"), width="large", icon=":material/qr_code_2:", on_dismiss=_put_away
        )
        decorated(draw)()


def _put_away() -> None:
    st.session_state.pop(_OPEN, None)


def shown_page() -> str:
    """The page that is shown, as its address calls it; empty for Start."""
    return urlsplit(st.context.url or "").path.rpartition("/")[2]


def language_and_seed(seed: int) -> dict[str, str]:
    """In which language and with which seed whoever opens the link begins."""
    spoken, drawn = st.columns(2)
    language = spoken.selectbox(
        _("Language"),
        list(languages()),
        index=list(languages()).index(current_language()),
        format_func=lambda code: languages()[code],
        key="link.language",
    )
    number = drawn.number_input(_("Seed"), 0, _LARGEST_SEED, value=seed, step=1, key="link.seed")
    return {QUERY_KEY: language, "seed": str(number) if number else ""}


def show_link(picture: DeltaGenerator, link: str, model: str, name: str) -> None:
    """The link to copy, whether others reach it, and its QR code; name: of the file with the code."""
    st.code(link, language=None, wrap_lines=True)
    say_how_to_serve(link, model)
    with picture:
        _show_code(link, name)


def _show_code(link: str, name: str) -> None:
    code = qr_code(link)
    if code is None:
        st.info(_("This link is too long for a QR code: hand out the link itself, or shorten the recipe."))
        return
    side = code.modules_shown
    st.image(code.svg, width=side * max(1, PICTURE_PX // side), alt=_("QR code of the link on this page"))
    if code.is_fine:
        st.caption(_("A long link makes a fine code: it is read from near the screen, not from the back."))
    st.download_button(
        _("QR code as SVG"),
        code.svg,
        file_name=f"slimscope-{name}.svg",
        mime="image/svg+xml",
        icon=":material/download:",
        key="link.svg",
        on_click="ignore",
    )
