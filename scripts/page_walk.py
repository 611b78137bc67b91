"""Every state of a page that a person can come to with a press: tabs, expanders, popovers, lists, jobs.

What a press changes for good is not pressed: only what opens, and on pages of jobs the primary button.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from playwright.sync_api import Locator, Page
from playwright.sync_api import TimeoutError as TooLate

PATIENCE_MS = 180_000
_STEADY_MS = 250
_BUSY = "[data-testid=stSkeleton], [data-testid=stSpinner], [role=progressbar], [data-stale=true]"
_AT_REST = f"""() => {{
  const app = document.querySelector('[data-testid=stApp]');
  return app && app.dataset.testScriptState === 'notRunning' && !document.querySelector('{_BUSY}');
}}"""
POPOVERS = "[data-testid=stPopover] button"
_OVER = "[data-testid=stPopoverBody], [role=listbox], [inert]"
MOST_STATES = 80  # of one page: a page that grows tabs for ever is a mistake


@dataclass
class PageWalk:
    """One page in a browser, and what of it was opened already."""

    page: Page
    works: bool = False
    opened: set[str] = field(default_factory=set)

    def states(self, address: str, name: str) -> Iterator[str]:
        """Go there and on; at every yield the page shows the state that is named."""
        self.page.goto(address)
        self.rest()
        yield from self._here(name)
        if self.works and self._work():
            yield from self._here(f"{name}, worked out")
        for _ in range(MOST_STATES):
            tab = self._next_tab()
            if tab is None:
                return
            label, place = tab
            place.click()
            self.rest()
            yield from self._here(f"{name} › {label}")
            if self.works and self._work():
                yield from self._here(f"{name} › {label}, worked out")

    def lesson(self, address: str, name: str) -> Iterator[str]:
        """A lesson from its question to its last answer, by what it shows of itself."""
        self.page.goto(address)
        self.rest()
        yield from self._here(f"{name}, question")
        number = self.page.get_by_role("spinbutton").first
        number.fill(number.get_attribute("min") or "1")
        number.press("Enter")
        self.rest()
        for stage in ("outcome", "why", "exercise", "questions"):
            yield from self._here(f"{name}, {stage}")
            further = self.page.locator("[class*='st-key-learn-'][class*='-to-'] button[kind=primary]")
            if further.count() and stage != "questions":
                further.first.click()
                self.rest()
        for choice in (0, 1):
            for group in self.page.get_by_role("radiogroup").all():
                group.get_by_role("radio").nth(choice).check(force=True)
                self.rest()
            yield from self._here(f"{name}, answered {choice + 1}")

    def rest(self) -> None:
        """Wait until nothing runs and nothing is left to be filled in, twice in a row."""
        for _look in range(2):
            self.page.wait_for_function(_AT_REST, timeout=PATIENCE_MS, polling=50)
            self.page.wait_for_timeout(_STEADY_MS)

    def _here(self, name: str) -> Iterator[str]:
        """The state as it stands with all that opens in place, then each popover and the first list."""
        self._open_expanders()
        yield name
        for label, button in self._unopened(POPOVERS):
            if not button.is_enabled() or not button.is_visible():
                continue
            button.click()
            self.rest()
            yield f"{name}, popover {label}"
            self._close()
        yield from self._tip(name)
        yield from self._list(name)

    def _close(self) -> None:
        """Close what lies over the page: by its key, and where that closes only a part, by the ground."""
        self.page.keyboard.press("Escape")
        self.rest()
        if self.page.locator(_OVER).count():
            self.page.mouse.click(3, 3)
            self.rest()

    def _open_expanders(self) -> None:
        for summary in self.page.locator("details:not([open]) > summary").all():
            if summary.is_visible() and not summary.evaluate("element => element.closest('[inert]')"):
                summary.click()
                self.rest()

    def _unopened(self, what: str) -> Iterator[tuple[str, Locator]]:
        for place in self.page.locator(what).all():
            label = _label(place)
            if f"{what} {label}" not in self.opened:
                self.opened.add(f"{what} {label}")
                yield label, place

    def _tip(self, name: str) -> Iterator[str]:
        """The help of the first sign that has one."""
        sign = self.page.locator("[data-testid=stTooltipIcon]").first
        if "tip" in self.opened or not sign.count() or not sign.is_visible():
            return
        self.opened.add("tip")
        sign.hover()
        try:
            self.page.locator("[data-testid=stTooltipContent]").first.wait_for(timeout=5_000)
        except TooLate:
            return
        yield f"{name}, help"
        self.page.mouse.move(0, 0)

    def _list(self, name: str) -> Iterator[str]:
        """The list of the first box to choose from."""
        box = self.page.locator("[data-testid=stSelectbox] input:enabled").first
        if "list" in self.opened or not box.count() or not box.is_visible():
            return
        self.opened.add("list")
        box.click()
        self.rest()
        yield f"{name}, list of a box"
        self._close()

    def _next_tab(self) -> tuple[str, Locator] | None:
        """The first tab that was not opened yet, with what it is called; tabs in tabs come when they show."""
        for row in self.page.get_by_role("tablist").all():
            if not row.is_visible():
                continue
            tabs = row.get_by_role("tab").all()
            named = " ".join(map(_label, tabs))
            for tab in tabs:
                key = f"tab {named} {_label(tab)}"
                if key not in self.opened:
                    self.opened.add(key)
                    if tab.get_attribute("aria-selected") != "true":
                        return _label(tab), tab
        return None

    def _work(self) -> bool:
        """Press the first primary button that was not pressed yet, and wait for what it brings."""
        for label, button in self._unopened("[data-testid=stMain] button[kind=primary]"):
            if button.is_visible() and button.is_enabled():
                button.click()
                self.rest()
                self.opened.add(f"worked {label}")
                return True
        return False


def _label(place: Locator) -> str:
    """What a control is called, without the signs of fonts in it."""
    text: str = place.evaluate(
        "element => { const copy = element.cloneNode(true);"
        " copy.querySelectorAll('[data-testid=stIconMaterial]').forEach(one => one.remove());"
        " return element.getAttribute('aria-label') || copy.textContent; }"
    )
    return re.sub(r"\s+", " ", text).strip()[:40]
