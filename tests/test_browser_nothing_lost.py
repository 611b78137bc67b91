"""Twenty edits, F5, Back, a second tab and a new server lose nothing, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.one_tab import PATIENCE, as_new
from tests.served import Serving

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

EDITS = 20
MOST_LOOKS = 1800  # three minutes
OFTEN_MS = 30
HEADER = ".st-key-slimscope_header"


def knob(page: Page) -> str | None:
    """Where the slider stands."""
    return slider_of(page).get_attribute("aria-valuetext")


def slider_of(page: Page) -> Locator:
    return page.get_by_role("slider", name="Weights removed").first


def edit(page: Page, lines: int) -> None:
    """One step of the slider, once the log says that it is there."""
    slider_of(page).focus()
    slider_of(page).press("ArrowRight")
    expect_lines(page, lines)


def expect_lines(page: Page, lines: int) -> None:
    """Asked often: `expect` looks after 0.1, 0.35 and 0.85 s, which twenty times is half of the test."""
    said = f"{lines} of {lines} lines"
    page.wait_for_function(
        "said => document.body.textContent.includes(said)", arg=said, polling=OFTEN_MS, timeout=PATIENCE
    )


def expect_name(page: Page) -> None:
    """Whether the table, which is drawn on a canvas, has the line that was named."""
    expect(page.locator("[role=gridcell]", has_text=re.compile("^mine$"))).to_be_attached()


def press(page: Page, name: str) -> None:
    """Undo or redo, once the slider has moved; a tab behind another one is drawn seldom."""
    page.bring_to_front()
    before = knob(page)
    page.locator(HEADER).get_by_role("button").filter(has_text=name).click()
    expect(slider_of(page)).not_to_have_attribute("aria-valuetext", before or "")


def expect_steps_back(page: Page, serving: Serving, *steps: int) -> None:
    """How many steps back each tab has on the disk, once the server has heard what was clicked."""
    for _ in range(MOST_LOOKS):
        if serving.ways_back() == sorted(steps):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"The tabs should have {sorted(steps)} steps back and have {serving.ways_back()}.")


@contextmanager
def second_tab(page: Page) -> Iterator[Page]:
    """Another one of the same visitor."""
    opened = page.context.new_page()
    opened.set_default_timeout(PATIENCE)
    yield opened
    opened.close()


def test_twenty_edits_a_reload_back_a_second_tab_and_a_new_server_lose_nothing(
    shared_tab: Page, tmp_path: Path
) -> None:
    serving = Serving(tmp_path / "work")
    with as_new(shared_tab, 1280, 720) as page, ExitStack() as tabs, ExitStack() as servers:
        servers.enter_context(serving.running())
        page.goto(f"{serving.address}/tune?m=tabular")
        page.get_by_role("tab", name="Tried").click()
        expect(page.get_by_text("Nothing was tried yet")).to_be_visible()
        for number in range(EDITS):
            edit(page, number + 1)
        page.get_by_role("textbox", name="Name").fill("mine")
        page.get_by_role("textbox", name="Name").press("Enter")
        page.get_by_role("button", name="Save this recipe").click()
        expect_name(page)
        last = knob(page)

        page.reload()
        expect(slider_of(page)).to_have_attribute("aria-valuetext", last or "")
        page.get_by_role("tab", name="Tried").click()
        expect_lines(page, EDITS)
        expect_name(page)
        page.go_back()
        expect(slider_of(page)).not_to_have_attribute("aria-valuetext", last or "")
        page.go_forward()
        expect(slider_of(page)).to_have_attribute("aria-valuetext", last or "")
        expect_steps_back(page, serving, EDITS)

        second = tabs.enter_context(second_tab(page))
        second.goto(page.url)
        second.get_by_role("tab", name="Tried").click()
        expect_lines(second, EDITS)
        edit(second, EDITS + 1)
        press(page, "undo")
        expect_lines(page, EDITS + 1)
        press(page, "undo")
        expect_steps_back(page, serving, EDITS - 2, EDITS + 1)

        before = serving.versions()
        servers.close()
        servers.enter_context(serving.running())
        for _ in range(MOST_LOOKS):  # the new server finds both tabs again, without a click
            page.wait_for_timeout(100)
            if all(now > then for now, then in zip(serving.versions(), before, strict=True)):
                break
        for tab, steps in ((page, (EDITS - 3, EDITS + 1)), (second, (EDITS - 3, EDITS))):
            expect(tab.get_by_test_id("stStatusWidget")).to_have_count(0)
            expect_lines(tab, EDITS + 1)
            press(tab, "undo")
            expect_steps_back(tab, serving, *steps)
        expect_name(page)
