"""A click that comes while a new server draws an open page is not lost, in a real browser."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.one_tab import PATIENCE, as_new
from tests.served import ROOT, Serving

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

DRAWS = "fill_in_numbers = header.draw()"
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
    begun, waits = tmp_path / "begun", tmp_path / "waits"
    serving = Serving(tmp_path / "work", app=slow_app(tmp_path / "app", begun, waits))
    with as_new(shared_tab, 1280, 720) as page, ExitStack() as servers:
        servers.enter_context(serving.running())
        page.goto(f"{serving.address}/tune?m=tabular")
        slider = page.get_by_role("slider", name="Weights removed").first
        stood = []
        for _ in range(EDITS):
            stood.append(slider.get_attribute("aria-valuetext") or "")
            slider.focus()
            slider.press("ArrowRight")
            expect(slider).not_to_have_attribute("aria-valuetext", stood[-1])
            expect_edits(serving, len(stood))
        undo = page.locator(".st-key-slimscope_header").get_by_role("button").filter(has_text="undo")
        expect(undo).to_be_enabled()

        servers.close()
        begun.unlink()
        waits.touch()
        servers.enter_context(serving.running())
        until = time.monotonic() + PATIENCE / 1000
        while not begun.exists() and time.monotonic() < until:
            page.wait_for_timeout(50)
        undo.click()
        page.wait_for_timeout(ON_ITS_WAY_MS)
        waits.unlink()
        expect(slider).to_have_attribute("aria-valuetext", stood[-1])
        page.wait_for_timeout(WHILE_IT_RESTS_MS)
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
        expect(slider).to_have_attribute("aria-valuetext", stood[-1])
        assert serving.ways_back() == [EDITS - 1]


def expect_edits(serving: Serving, count: int) -> None:
    """Whether the server has heard of as many edits."""
    until = time.monotonic() + PATIENCE / 1000
    while serving.ways_back() != [count] and time.monotonic() < until:
        time.sleep(0.05)
    assert serving.ways_back() == [count]


def slow_app(folder: Path, begun: Path, waits: Path) -> Path:
    """The app with a place at which its runs wait, in a folder of its own."""
    folder.mkdir()
    (folder / "pages").symlink_to(ROOT / "pages")
    text = (ROOT / "app.py").read_text(encoding="utf-8")
    assert text.count(DRAWS) == 1
    app = folder / "app.py"
    waiting = SLOWLY.format(begun=str(begun), waits=str(waits))
    app.write_text(text.replace(DRAWS, waiting + DRAWS), encoding="utf-8")
    return app
