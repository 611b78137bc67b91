"""A key for undo that comes before there is anything to take back waits for what was just changed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from dashboard import page_manners

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LOAD = """async (source) => {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const { default: mount } = await import(address);
    mount({ data: { undo: "undo", redo: "redo", words: {} } });
}"""
PAGE = """<div data-testid='stApp' data-test-script-state='notRunning'></div>
<div class='undo'><button disabled onclick='window.undone = (window.undone ?? 0) + 1'>Undo</button></div>"""
STATE = "state => document.querySelector('[data-testid=stApp]').dataset.testScriptState = state"
READY = "document.querySelector('button').disabled = false"
LONG_MS = 60_000


@pytest.fixture
def page(standing_tab: Page) -> Page:
    """An app at rest that has nothing to take back, and a clock that stands."""
    standing_tab.set_content(PAGE)
    standing_tab.evaluate(LOAD, page_manners.JAVASCRIPT)
    return standing_tab


def moved(page: Page, *, is_unheard: bool) -> None:
    """A knob is moved, or its change is heard or given back."""
    page.evaluate(
        f"document.documentElement.toggleAttribute('data-knob-elsewhere', {str(is_unheard).lower()})"
    )


def undone_after_a_run(page: Page) -> int:
    """How often undo was pressed once a run has drawn something to take back."""
    page.evaluate(STATE, "running")
    page.evaluate(READY)
    page.evaluate(STATE, "notRunning")
    page.clock.run_for(100)  # a frame
    presses: int = page.evaluate("window.undone ?? 0")
    return presses


def test_a_key_waits_for_a_moved_knob_however_long_the_server_takes_to_hear_of_it(page: Page) -> None:
    moved(page, is_unheard=True)
    page.keyboard.press("Control+z")
    page.clock.run_for(LONG_MS)
    assert undone_after_a_run(page) == 1


def test_a_key_does_not_wait_where_nothing_was_changed(page: Page) -> None:
    page.keyboard.press("Control+z")
    page.clock.run_for(LONG_MS)
    assert undone_after_a_run(page) == 0


def test_a_key_does_not_wait_for_a_knob_that_was_given_back(page: Page) -> None:
    moved(page, is_unheard=True)
    page.keyboard.press("Control+z")
    moved(page, is_unheard=False)
    page.clock.run_for(LONG_MS)
    assert undone_after_a_run(page) == 0
