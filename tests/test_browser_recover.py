"""A training in a real browser: watched, left, come back to, ended, started again, finished and compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from dashboard.links import encoded
from tests.one_tab import PATIENCE, as_new
from tests.served import Serving
from tests.test_browser_nothing_lost import HEADER

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PLAN = '{"batch_size":512,"epochs":%d,"methods":[{"method":"distill"}]}'
PRUNED = encoded([["fc1", [{"technique": "magnitude", "sparsity": 0.98}]]])
LONG, SHORT = 60, 2
LOOK_AGAIN_MS = 100  # else at every frame, which keeps the page drawing
EPOCHS = """() => Math.max(0, ...[...document.querySelectorAll('.js-plotly-plot')]
    .flatMap(plot => plot._fullData || [])
    .filter(trace => (trace.error_y || {}).visible)
    .map(trace => trace.x.length))"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, ExitStack]]:
    """A server with a workspace of its own, and what stops it."""
    served = Serving(tmp_path_factory.mktemp("recover") / "work")
    with ExitStack() as servers:
        servers.enter_context(served.running())
        yield served, servers


@pytest.fixture
def page(shared_tab: Page, serving: tuple[Serving, ExitStack]) -> Iterator[Page]:
    with as_new(shared_tab, 1366, 768) as opened:
        opened.set_default_timeout(2 * PATIENCE)
        yield opened


def open_recover(page: Page, served: Serving, epochs: int) -> None:
    page.goto(f"{served.address}/recover?m=lenet300&r={PRUNED}&plan={PLAN % epochs}")
    expect(page.get_by_role("heading", name="Can training win it back?")).to_be_visible()


def pressed(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()


def epochs_drawn(page: Page) -> int:
    """How many epochs the accuracy curve has, once it has one: it may be drawn anew just now."""
    count: int = page.wait_for_function(EPOCHS, polling=LOOK_AGAIN_MS).json_value()
    return count


def wait_for_epochs(page: Page, count: int) -> None:
    page.wait_for_function(f"count => ({EPOCHS})() >= count", arg=count, polling=LOOK_AGAIN_MS)


def test_a_training_is_watched_left_come_back_to_goes_on_from_its_last_epoch_on_a_new_server_and_is_ended(
    page: Page, serving: tuple[Serving, ExitStack]
) -> None:
    served, servers = serving
    open_recover(page, served, LONG)
    expect(page.get_by_text(re.compile("≈ .* epochs of 54,000 items"))).to_be_visible()
    pressed(page, "Train")
    wait_for_epochs(page, 1)
    seen = epochs_drawn(page)
    wait_for_epochs(page, seen + 1)
    page.get_by_role("link", name="Weights").first.click()
    expect(page.locator(HEADER).get_by_text("1 running")).to_be_visible()
    page.get_by_role("link", name="Recover").first.click()
    wait_for_epochs(page, seen + 1)
    expect(page).to_have_url(re.compile("m=lenet300"))
    servers.close()
    servers.enter_context(served.running())
    page.reload()
    expect(page.get_by_text("This training was interrupted.")).to_be_visible()
    pressed(page, "Go on training")
    wait_for_epochs(page, seen + 1)
    pressed(page, "Cancel")
    expect(page.get_by_text("This training was interrupted.")).to_be_visible()


def test_a_training_is_finished_and_compared(page: Page, serving: tuple[Serving, ExitStack]) -> None:
    open_recover(page, serving[0], SHORT)
    pressed(page, "Train")
    expect(page.get_by_role("button", name="Trained")).to_be_visible(timeout=2 * PATIENCE)
    wait_for_epochs(page, SHORT)
    pressed(page, "Open on Behavior")
    expect(page.get_by_role("heading", name="Who is hurt?")).to_be_visible()
    expect(page.locator(HEADER).get_by_text("+ distill")).to_be_visible()
