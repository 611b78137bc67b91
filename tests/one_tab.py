"""One tab of a browser, handed from test to test as good as new.

A tab of its own fetches and compiles Streamlit's scripts again, two seconds of a processor each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, Page

FORGET = "() => { localStorage.clear(); sessionStorage.clear(); }"


@contextmanager
def opened_once(browser: Browser) -> Iterator[Page]:
    """The tab that the tests of a file share; what moves for the eye alone stands still in it."""
    with browser.new_context(reduced_motion="reduce") as context:
        yield context.new_page()


@contextmanager
def as_new(tab: Page, width: int, height: int, scheme: Literal["light", "dark"] = "light") -> Iterator[Page]:
    """The tab of a visitor who has never been here; afterwards the page is left and nothing is kept."""
    tab.set_viewport_size({"width": width, "height": height})
    tab.emulate_media(color_scheme=scheme)
    try:
        yield tab
    finally:
        tab.evaluate(FORGET)
        tab.goto("about:blank")
        tab.context.clear_cookies()
