"""The pages, one file each beside app.py: a new file is found without being listed anywhere.

Three constants in each say what it is called, its icon and its place; a page that can be drawn before the
slow libraries are there says WAITS = False, and one that shows nothing of the open model OF_MODEL = False.
Streamlit runs a page when it is shown, so they are read from its text, and nothing of it is run to find it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import streamlit as st

from dashboard.declared_constants import declared_constants
from dashboard.serving import app_file
from dashboard.text import _

DECLARED = ("TITLE", "ICON", "ORDER")


@dataclass(frozen=True)
class PageFile:
    """A page: the name of its file is its address; pages of small order stand first."""

    name: str
    title: str
    icon: str
    order: int
    waits: bool = True
    of_model: bool = True

    @property
    def path(self) -> str:
        """Its file, seen from app.py."""
        return f"pages/{self.name}.py"


def folder() -> Path:
    """Where the pages lie."""
    return app_file().parent / "pages"


def page_files() -> Mapping[str, PageFile]:
    """Every page by name, in the order that the files declare; the first one is where a visitor arrives."""
    return _read(tuple((path, path.stat().st_mtime_ns) for path in sorted(folder().glob("*.py"))))


@lru_cache(maxsize=4)
def _read(versions: tuple[tuple[Path, int], ...]) -> Mapping[str, PageFile]:
    found = [_declared(path) for path, _changed in versions]
    return MappingProxyType({page.name: page for page in sorted(found, key=lambda p: (p.order, p.name))})


def _declared(path: Path) -> PageFile:
    said = declared_constants(path)
    match [said.get(name) for name in DECLARED]:
        case [str(title), str(icon), int(order)]:
            needs = {"waits": said.get("WAITS") is not False, "of_model": said.get("OF_MODEL") is not False}
            return PageFile(path.stem, title, icon, order, **needs)
    raise AssertionError(f"pages/{path.name} must declare {', '.join(DECLARED)} as plain constants")


def navigation() -> list[st.Page]:
    """The pages as Streamlit shows them on top."""
    return [
        st.Page(page.path, title=_(page.title), icon=page.icon, default=place == 0)
        for place, page in enumerate(page_files().values())
    ]


def waits(address: str) -> bool:
    """Whether the page of an address needs the slow libraries; Start, whose address is empty, does not."""
    return bool(address) and page_files()[address].waits


def is_of_model(address: str) -> bool:
    """Whether the page of an address shows the open model; the address of Start is empty."""
    return not address or page_files()[address].of_model


def link(name: str, label: str | None = None) -> None:
    """A link to a page; label: what it says, where that is not the page's title."""
    page = page_files()[name]
    st.page_link(page.path, label=label or _("Go to {page}").format(page=_(page.title)), icon=page.icon)
