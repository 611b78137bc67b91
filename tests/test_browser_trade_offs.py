"""A budget is solved twice, both recipes stand on the map and are compared, and a new server finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.one_tab import PATIENCE, as_new, at_rest
from tests.served import Serving

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

POINTS = ".js-plotly-plot .scatterlayer .points path.point"
HEARS_CLICKS_AND_STANDS_STILL = """points => {
    const all = [...document.querySelectorAll(points)];
    const places = all.map(point => Object.values(point.getBoundingClientRect().toJSON())).join();
    const stands = places === window.stood;
    window.stood = places;
    const figure = all[0]?.closest('.js-plotly-plot');
    return stands && figure?._ev?.listenerCount('plotly_selected') > 0;
}"""


def expect_figure_at_rest(page: Page) -> None:
    """Nothing runs that would draw the figure anew, what stands above it is there, and it hears clicks."""
    at_rest(page)
    page.wait_for_function(HEARS_CLICKS_AND_STANDS_STILL, arg=POINTS, polling=100)


def expect_compared(page: Page) -> None:
    for letter in ("A ·", "B ·"):
        expect(page.get_by_role("columnheader", name=re.compile(letter)).first).to_be_visible(
            timeout=PATIENCE
        )


def ask(page: Page, name: str, ready: str) -> None:
    """Press a button of the page, and wait until what it leads to is there to be pressed."""
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.get_by_role("button", name=ready, exact=True)).to_be_visible()


def set_budget(page: Page, size: int) -> None:
    """Type a number of bytes; the table follows, and nothing is solved for it yet."""
    box = page.get_by_role("spinbutton", name="Bytes")
    box.fill(str(size))
    box.press("Enter")
    page.wait_for_url(re.compile(f"budget={size}"))
    expect(page.get_by_role("button", name="Solve and measure", exact=True)).to_be_enabled()


def expect_row(page: Page, layer: str, done: str) -> None:
    """What the table, which is drawn on a canvas, says is done to a layer."""
    row = page.locator("[role=row]").filter(has=page.locator("[role=gridcell]", has_text=layer))
    expect(row.locator("[role=gridcell]").nth(1)).to_have_text(re.compile(done))


@pytest.fixture
def page(shared_tab: Page) -> Iterator[Page]:
    with as_new(shared_tab, 1366, 768) as opened:
        yield opened


def test_a_budget_is_set_solved_locked_solved_again_compared_and_found_by_a_new_server(
    page: Page, tmp_path: Path
) -> None:
    serving = Serving(tmp_path / "workspace")
    with serving.running():
        page.goto(f"{serving.address}/trade_offs?m=tabular&tab=budget_solver")
        ask(page, "Weigh every option", "Solve and measure")
        set_budget(page, 1500)
        expect_row(page, "fc1", "Uniform")
        ask(page, "Solve and measure", "Take it over")
        ask(page, "Take it over", "It is the recipe of all pages")
        expect_row(page, "fc2", "Uniform")
        page.get_by_role("combobox", name="Locked rows keep what they have now").click()
        page.get_by_role("option", name="fc2").click()
        page.keyboard.press("Escape")
        locked = page.locator("[role=gridcell]", has_text="Uniform").nth(1).inner_text()
        set_budget(page, 1000)
        expect_row(page, "fc2", re.escape(locked))
        ask(page, "Solve and measure", "Take it over")
        ask(page, "Take it over", "It is the recipe of all pages")
        page.get_by_role("button", name="Show all models").click()
        expect(page.get_by_text("3 of 3 models. Click a cell")).to_be_visible()
        for letter in ("A", "B"):
            expect_figure_at_rest(page)
            page.locator(POINTS).nth("AB".index(letter)).click(force=True)
            expect(page.get_by_text(re.compile(f"^{letter} · "))).to_be_visible()
        page.get_by_role("button", name="Compare them").click()
        expect_compared(page)
        at_rest(page)  # which tab is open stands in the address at the end of a run
        page.reload()
        expect_compared(page)
    with serving.running():
        page.goto(f"{serving.address}/trade_offs?m=tabular")
        expect(page.get_by_text("3 of 3 models. Click a cell")).to_be_visible()
        assert "picked" not in page.url, "nothing was picked in this session"
        page.get_by_role("tab", name="Budget").click()
        expect(page.get_by_role("button", name="Solve and measure", exact=True)).to_be_visible()
