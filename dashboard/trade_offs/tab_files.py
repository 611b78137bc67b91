"""The tabs of the Trade-offs page: found in their folder, drawn only while open, open again after a reload.

Which one is open is the visitor's choice `tab`, by the name of its file: it stands in the page's link, and
`open_tab` leads there from another page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import streamlit as st

from compress_core.foundation.one_file_each import names_in
from dashboard.bound_widget import by_hand, showing
from dashboard.declared_constants import declared_constants
from dashboard.shared_choice import SharedChoice
from dashboard.show import refusals
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from dashboard.view import View

PACKAGE = "dashboard.trade_offs.tabs"
DECLARED = ("TITLE", "ORDER")
KEY = "trade_offs.tabs"


@dataclass(frozen=True)
class TabFile:
    """A tab: the name of its file is its address; tabs of small order stand first."""

    name: str
    title: str
    order: int

    def draw(self, view: View, model: Model) -> None:
        """What it shows; its file is imported only now."""
        import_module(f"{PACKAGE}.{self.name}").draw(view, model)


@cache
def tab_files() -> Mapping[str, TabFile]:
    """Every tab by name, in the order that the files declare; the first one is open at first."""
    folder = Path(next(iter(import_module(PACKAGE).__path__)))
    found = (_declared(folder / f"{name}.py") for name in names_in(PACKAGE))
    return MappingProxyType({tab.name: tab for tab in sorted(found, key=lambda tab: (tab.order, tab.name))})


def _declared(file: Path) -> TabFile:
    said = declared_constants(file)
    match [said.get(name) for name in DECLARED]:
        case [str(title), int(order)]:
            return TabFile(file.stem, title, order)
    raise AssertionError(f"{PACKAGE}.{file.stem} must declare {', '.join(DECLARED)} as plain constants")


def _read(text: str) -> str | None:
    return text if text in tab_files() else None


OPEN: SharedChoice[str] = SharedChoice("tab", "", _read)


def open_tab(name: str) -> None:
    """Have this tab open when the page is drawn next."""
    assert name in tab_files(), f"there is no tab {name}"
    OPEN.choose(name)


def draw(view: View, model: Model) -> None:
    """The titles of all tabs, and what the open one shows."""
    files = tab_files()
    title = _(files[OPEN.chosen() or next(iter(files))].title)
    titles = [_(file.title) for file in files.values()]
    places = st.tabs(titles, key=showing(KEY, title), on_change=by_hand(KEY, _take_over))
    for place, file in zip(places, files.values(), strict=True):
        if place.open:
            with place, refusals():
                file.draw(view, model)


def _take_over() -> None:
    """The tab that the visitor opened, by the name of its file whatever the language."""
    title = st.session_state[KEY]
    open_tab(next(file.name for file in tab_files().values() if _(file.title) == title))
