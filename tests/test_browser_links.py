"""A class in a real browser: let in by its link, in again by F5, and its code over the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from compress_core.face.network_addresses import HOST
from compress_core.face.page_process import PageRequest, is_served, port_for, start_page
from dashboard.class_gate import ASK
from tests.one_tab import PATIENCE
from tests.served import pages_are_forks

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

KEY = "a-word_of-16-sig"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The server of a class, on this machine only."""
    port = port_for(None)
    with pages_are_forks():
        process = start_page(PageRequest(port, "tabular"), KEY)
    assert is_served(process, port)
    yield f"http://{HOST}:{port}"
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def test_a_link_lets_in_once_and_for_all_pages_and_its_code_stands_over_the_page(
    browser: Browser,
    address: str,
) -> None:
    with browser.new_context(viewport={"width": 1366, "height": 768}, locale="en-US") as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{address}/learn")
        expect(page.get_by_text(ASK)).to_be_visible()
        page.goto(f"{address}/learn?lesson=soft_labels&key={KEY}")
        expect(page.get_by_role("button", name="Commit")).to_be_visible()
        assert KEY not in page.url, "nobody reads it over a shoulder"
        page.reload()
        expect(page.get_by_role("button", name="Commit")).to_be_visible()
        page.locator(".st-key-learn-link button").click()
        code = page.get_by_role("dialog").get_by_role("img", name="QR code of the link")
        expect(code).to_be_visible()
        expect(page.get_by_role("dialog").get_by_text(f"key={KEY}")).to_be_visible()
        page.keyboard.press("Escape")
        expect(code).to_have_count(0)
        page.get_by_role("link", name="Tune").click()
        expect(page.locator(".st-key-tune_knob_prune")).to_be_visible()
