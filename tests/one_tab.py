"""One browser for all tests of a worker, and its tabs, handed from test to test as good as new.

A browser takes some two seconds of a processor to begin. A tab whose cookies and storage are its own fetches
and compiles Streamlit's scripts again, three seconds each time, and so does one that is sent to another port.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from weakref import WeakSet

from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

PATIENCE = 180_000  # costs nothing where all is well
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 1,
    "is_mobile": True,
    "has_touch": True,
}
# Scripts that run for seconds only are not worth being compiled in three ways by threads of their own, and a
# heap that is large from the beginning is not swept while it grows, a twelfth of what a page costs.
HEAP = "--min-semi-space-size=32 --initial-heap-size=600 --initial-old-space-size=400"  # MB
FLAGS = ("--no-sandbox", f"--js-flags=--single-threaded --no-opt {HEAP}")
AT_REST = """() => {
    const app = document.querySelector("[data-testid=stApp]");
    return app?.dataset.testScriptState === "notRunning" && !document.querySelector("[data-stale=true]");
}"""
OFTEN_MS, A_MOMENT_MS = 50, 300
FORGET = "() => { try { localStorage.clear(); sessionStorage.clear(); } catch (nothingWasLoaded) {} }"


class SharedBrowser:
    """The browser of a worker: it begins with the first test that asks for it."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._tabs: dict[str, Page] = {}

    def browser(self, program: str) -> Browser:
        if self._browser is None:
            self._playwright = sync_playwright().start()
            self._browser = self._playwright.chromium.launch(
                executable_path=program, args=FLAGS, timeout=PATIENCE
            )
        expect.set_options(timeout=PATIENCE)
        return self._browser

    def tab(self, program: str, name: str, **device: Any) -> Page:
        """The tab of this name; what moves for the eye alone stands still in it."""
        browser = self.browser(program)
        if name not in self._tabs:
            self._tabs[name] = browser.new_context(reduced_motion="reduce", **device).new_page()
        return self._tabs[name]

    def close(self) -> None:
        """End it: while it lives no test of this process can run an event loop of its own."""
        if self._browser is not None:
            self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()
        self._playwright, self._browser, self._tabs = None, None, {}


SHARED = SharedBrowser()
_WITH_A_CLOCK = WeakSet[Page]()


@contextmanager
def as_new(tab: Page, width: int, height: int, scheme: Literal["light", "dark"] = "light") -> Iterator[Page]:
    """The tab of a visitor who has never been here; afterwards the page is left and nothing is kept."""
    tab.set_viewport_size({"width": width, "height": height})
    tab.emulate_media(color_scheme=scheme)
    tab.set_default_timeout(PATIENCE)
    try:
        yield tab
    finally:
        leave(tab)


def standing_still(tab: Page) -> Page:
    """An empty page of a tab of its own, where the clock stands until a test has it run."""
    tab.goto("about:blank")
    tab.set_default_timeout(PATIENCE)
    if tab not in _WITH_A_CLOCK:
        tab.clock.install()
        tab.clock.pause_at(tab.evaluate("Date.now() / 1000 + 60"))
        _WITH_A_CLOCK.add(tab)
    return tab


def at_rest(page: Page) -> None:
    """Wait until nothing runs, and nothing fades that was drawn by a run before."""
    page.wait_for_function(AT_REST, polling=OFTEN_MS)


def settled(page: Page) -> None:
    """Wait until it is at rest for a moment: a run may be about to begin."""
    at_rest(page)
    page.wait_for_timeout(A_MOMENT_MS)
    at_rest(page)


def leave(tab: Page) -> None:
    """From here on nobody was here."""
    tab.unroute_all()
    tab.evaluate(FORGET)
    tab.goto("about:blank")
    tab.context.clear_cookies()
