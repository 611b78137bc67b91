"""Two recipes stand on the map, are picked in the figure and compared, and a new server finds them again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.links import encoded
from tests.test_browser import PATIENCE, browser  # noqa: F401 - a fixture
from tests.test_browser_nothing_lost import Serving

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

POINTS = ".js-plotly-plot .scatterlayer .points path.point"


def recipe(sparsity: float) -> str:
    return encoded([["fc1", [{"technique": "magnitude", "sparsity": sparsity}]]])


def open_map(page: Page, serving: Serving, models: int, more: str = "") -> None:
    """The map, once so many models stand on it."""
    page.goto(f"{serving.address}/trade_offs?m=lenet300&across=bytes{more}")
    said = f"{models} of {models} models. Click a cell"
    expect(page.get_by_text(said)).to_be_visible(timeout=PATIENCE)
    page.wait_for_function("() => document.cookie.includes('slimscope_visitor')")


def expect_compared(page: Page) -> None:
    for letter in ("A ·", "B ·"):
        expect(page.get_by_role("columnheader", name=re.compile(letter)).first).to_be_visible(
            timeout=PATIENCE
        )


def test_models_are_picked_on_the_map_compared_and_found_again_by_a_new_server(
    browser: Browser,  # noqa: F811
    tmp_path: Path,
) -> None:
    serving = Serving(tmp_path / "workspace")
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.set_default_timeout(PATIENCE)
    with serving.running():
        open_map(page, serving, 2, f"&r={recipe(0.8)}")
        open_map(page, serving, 3, f"&r={recipe(0.95)}")
        for letter in ("A", "B"):
            page.locator(POINTS).nth("AB".index(letter)).click(force=True)
            expect(page.get_by_text(re.compile(f"^{letter} · "))).to_be_visible()
        page.get_by_role("button", name="Compare them").click()
        expect_compared(page)
        page.reload()
        expect_compared(page)
    with serving.running():
        open_map(page, serving, 3)
        expect(page.get_by_text("Open now: ")).to_be_visible()
        link = page.url
        assert "picked" not in link, "nothing was picked in this session"
    page.close()
