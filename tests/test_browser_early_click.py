"""What is done to an open page while its server ends or begins anew is not lost, in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.tab import QUERY_KEY
from tests.one_tab import PATIENCE, as_new, at_rest
from tests.served import ROOT, Serving

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

DRAWS = "fill_in_numbers = header.draw("
# A machine at its limit: before it draws the header, a run waits as long as this says.
SLOWLY = """import time
        from pathlib import Path

        Path({begun!r}).touch()
        while Path({waits!r}).exists():
            time.sleep(0.05)
        """
EDITS = 3
ON_ITS_WAY_MS, WHILE_IT_RESTS_MS = 500, 1000


def test_undo_pressed_before_a_new_server_has_drawn_the_page_is_done_once(
    shared_tab: Page, tmp_path: Path
) -> None:
    with slow_serving(tmp_path) as (serving, runs), as_new(shared_tab, 1280, 720) as page:
        with serving.running():
            stood = edited(page, serving)
        runs.wait()
        with serving.running():
            runs.expect_one(page)
            undo_of(page).click()
            page.wait_for_timeout(ON_ITS_WAY_MS)
            runs.go_on()
            expect_rest_at(page, stood[-2])
            assert serving.ways_back() == [EDITS - 1]


def test_an_edit_during_whose_run_the_server_ended_is_there_and_can_be_undone(
    shared_tab: Page, tmp_path: Path
) -> None:
    with slow_serving(tmp_path) as (serving, runs), as_new(shared_tab, 1280, 720) as page:
        with serving.running():
            stood = edited(page, serving)
            runs.wait()
            address = page.url
            undo_of(page).click()
            expect_edits(serving, EDITS - 1)
            assert page.url == address, "it should not know of the edit yet"
        runs.go_on()
        with serving.running():
            expect_rest_at(page, stood[-2])
            assert serving.ways_back() == [EDITS - 1]
            undo_of(page).click()
            expect_rest_at(page, stood[-3])


def test_back_pressed_while_the_server_is_away_is_followed_once_it_is_back(
    shared_tab: Page, tmp_path: Path
) -> None:
    serving = Serving(tmp_path / "work")
    with as_new(shared_tab, 1280, 720) as page:
        with serving.running():
            stood = edited(page, serving)
        expect(page.get_by_test_id("stApp")).not_to_have_attribute("data-test-connection-state", "CONNECTED")
        page.go_back()
        with serving.running():
            expect_rest_at(page, stood[-2])
            assert serving.ways_back() == [EDITS - 1]
            page.go_forward()
            expect_rest_at(page, stood[-1])


class SlowRuns:
    """Has the runs of a server wait before they draw, and says whether one does."""

    def __init__(self, folder: Path) -> None:
        self.begun, self.waits = folder / "begun", folder / "waits"

    def wait(self) -> None:
        self.begun.unlink()
        self.waits.touch()

    def go_on(self) -> None:
        self.waits.unlink()

    def expect_one(self, page: Page) -> None:
        until = time.monotonic() + PATIENCE / 1000
        while not self.begun.exists() and time.monotonic() < until:
            page.wait_for_timeout(50)
        assert self.begun.exists()


@contextmanager
def slow_serving(folder: Path) -> Iterator[tuple[Serving, SlowRuns]]:
    """The app with a place at which its runs wait, in a folder of its own."""
    runs, app = SlowRuns(folder), folder / "app" / "app.py"
    app.parent.mkdir()
    (app.parent / "pages").symlink_to(ROOT / "pages")
    text = (ROOT / "app.py").read_text(encoding="utf-8")
    assert text.count(DRAWS) == 1
    waiting = SLOWLY.format(begun=str(runs.begun), waits=str(runs.waits))
    app.write_text(text.replace(DRAWS, waiting + DRAWS), encoding="utf-8")
    yield Serving(folder / "work", app=app), runs


def slider_of(page: Page) -> Locator:
    return page.get_by_role("slider", name="Weights removed").first


def undo_of(page: Page) -> Locator:
    return page.locator(".st-key-slimscope_header").get_by_role("button").filter(has_text="undo")


def edited(page: Page, serving: Serving) -> list[str]:
    """Where the slider stood at first and after each of the edits, all of which the server has heard."""
    page.goto(f"{serving.address}/tune?m=tabular")
    page.wait_for_url(re.compile(f"[?&]{QUERY_KEY}="))  # by the end of its first run
    stood = [slider_of(page).get_attribute("aria-valuetext") or ""]
    for _ in range(EDITS):
        before = page.url
        slider_of(page).focus()
        slider_of(page).press("ArrowRight")
        expect(slider_of(page)).not_to_have_attribute("aria-valuetext", stood[-1])
        stood.append(slider_of(page).get_attribute("aria-valuetext") or "")
        expect_edits(serving, len(stood) - 1)
        page.wait_for_url(lambda address, before=before: address != before)
    expect(undo_of(page)).to_be_enabled()
    at_rest(page)
    return stood


def expect_rest_at(page: Page, value: str) -> None:
    """Whether the slider comes to stand somewhere and stays there."""
    expect(slider_of(page)).to_have_attribute("aria-valuetext", value)
    page.wait_for_timeout(WHILE_IT_RESTS_MS)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    expect(slider_of(page)).to_have_attribute("aria-valuetext", value)


def expect_edits(serving: Serving, count: int) -> None:
    """Whether the server has heard of as many edits."""
    until = time.monotonic() + PATIENCE / 1000
    while serving.ways_back() != [count] and time.monotonic() < until:
        time.sleep(0.05)
    assert serving.ways_back() == [count]
