"""What is typed into the layer table is in the recipe in the order of the hand, in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.one_tab import PATIENCE, as_new, at_rest
from tests.served import Serving
from tests.test_browser_nothing_lost import HEADER, OFTEN_MS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LOAD_ANEW_JUST_BEFORE_THE_ADDRESS_CHANGES = """() => {
    const push = window.history.pushState;
    window.history.pushState = (...given) => {
        window.location.reload();
        push(...given);
    };
}"""
RECIPE = ".st-key-slimscope_recipe strong"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, ExitStack]]:
    """A server with a workspace of its own, and what stops it."""
    served = Serving(tmp_path_factory.mktemp("cells") / "work")
    with ExitStack() as servers:
        servers.enter_context(served.running())
        yield served, servers


class Line:
    """What leads from the server to a page, and can hold back what the server says."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.held: list[str | bytes] | None = None
        page.route_web_socket("**/_stcore/stream", self._lay)

    def _lay(self, to_page: WebSocketRoute) -> None:
        self.to_page = to_page
        to_page.connect_to_server().on_message(self._pass_on)

    def _pass_on(self, message: str | bytes) -> None:
        if self.held is None:
            self.to_page.send(message)
        else:
            self.held.append(message)

    def hold(self) -> None:
        self.held = []

    def wait_for_runs(self, count: int) -> None:
        """Until so many runs have ended of which the page has not heard."""
        end = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < end:
            if sum(map(_ends_a_run, self.held or ())) >= count:
                return
            self.page.wait_for_timeout(OFTEN_MS)
        pytest.fail("the server did not run")

    def release(self) -> None:
        held, self.held = self.held or (), None
        for message in held:
            self.to_page.send(message)


def _ends_a_run(message: str | bytes) -> bool:
    assert isinstance(message, bytes)
    said = ForwardMsg.FromString(message)
    return (
        said.WhichOneof("type") == "script_finished"
        and said.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
    )


@pytest.fixture(scope="module")
def tab(shared_tab: Page) -> Iterator[Page]:
    """A tab of this file: what holds back the server's words is not taken out of it again."""
    opened = shared_tab.context.new_page()
    yield opened
    opened.close()


@pytest.fixture
def page(line: Line) -> Page:
    return line.page


@pytest.fixture
def line(tab: Page, serving: tuple[Serving, ExitStack]) -> Iterator[Line]:
    with as_new(tab, 1366, 768) as opened:
        laid = Line(opened)
        opened.goto(f"{serving[0].address}/tune?m=lenet300")
        expect(cell(opened, "Prune %: fc3")).to_be_visible()
        at_rest(opened)  # by then the browser has a cookie, and its work can be found again
        yield laid


def cell(page: Page, name: str) -> Locator:
    return page.get_by_role("textbox", name=name, exact=True)


def enter(page: Page, name: str, typed: str) -> None:
    """Type into a cell, and wait until the recipe is another one."""
    before = page.locator(RECIPE).first.inner_text()
    cell(page, name).fill(typed)
    cell(page, name).press("Enter")
    expect(page.locator(RECIPE).first).not_to_have_text(before)


def undo(page: Page) -> Locator:
    return page.locator(HEADER).get_by_role("button").filter(has_text="undo")


def test_what_was_typed_last_is_what_undo_takes_back_by_button_and_by_key(page: Page) -> None:
    enter(page, "Prune %: fc3", "70")
    cell(page, "Bits: fc3").fill("5")
    expect(undo(page)).to_be_enabled()
    undo(page).click()
    expect(page.locator(HEADER).get_by_role("button").filter(has_text="redo")).to_be_enabled()
    expect(cell(page, "Bits: fc3")).to_have_value("")
    expect(cell(page, "Prune %: fc3")).to_have_value("70")
    enter(page, "Prune %: fc3", "71")
    cell(page, "Prune %: fc3").press("Control+z")
    expect(cell(page, "Prune %: fc3")).to_have_value("70")
    cell(page, "Prune %: fc3").press("Control+z")
    expect(page.locator(RECIPE).first).to_have_text("unchanged")


def test_cells_typed_into_without_a_pause_are_all_in_the_recipe(page: Page) -> None:
    wanted = {f"{column}: fc{layer}": f"{layer + 4}" for column in ("Prune %", "Bits") for layer in (1, 2, 3)}
    for name, typed in wanted.items():
        cell(page, name).fill(typed)
        cell(page, name).press("Enter")
    page.reload()
    for name, typed in wanted.items():
        expect(cell(page, name)).to_have_value(typed)


def test_a_widget_that_the_browser_has_not_drawn_anew_takes_no_edit_back(line: Line) -> None:
    line.hold()
    cell(line.page, "Prune %: fc1").fill("50")
    cell(line.page, "Prune %: fc1").press("Enter")
    line.wait_for_runs(
        1
    )  # the technique box of fc1 says "none" in the browser, and "magnitude" in the recipe
    cell(line.page, "Bits: fc1").fill("5")
    cell(line.page, "Bits: fc1").press("Enter")
    line.wait_for_runs(2)
    line.release()
    expect(undo(line.page)).to_be_enabled()
    at_rest(line.page)
    line.page.reload()
    expect(cell(line.page, "Bits: fc1")).to_have_value("5")
    expect(cell(line.page, "Prune %: fc1")).to_have_value("50")


def test_a_reload_that_is_faster_than_the_address_shows_the_edit_and_back_what_was_before(page: Page) -> None:
    enter(page, "Prune %: fc1", "50")
    expect(page).to_have_url(re.compile("[?&]h="))
    at_rest(page)
    before = page.url
    cell(page, "Prune %: fc1").fill("60")
    cell(page, "Prune %: fc1").press("Enter")
    page.reload()
    expect(cell(page, "Prune %: fc1")).to_have_value("60")
    expect(page).not_to_have_url(before)
    page.go_back()
    expect(cell(page, "Prune %: fc1")).to_have_value("50")


def test_a_reload_that_waits_for_its_answer_while_the_address_changes_shows_the_edit(page: Page) -> None:
    enter(page, "Prune %: fc1", "50")
    at_rest(page)
    page.evaluate(LOAD_ANEW_JUST_BEFORE_THE_ADDRESS_CHANGES)
    with page.expect_event("load"):
        cell(page, "Prune %: fc1").fill("60")
        cell(page, "Prune %: fc1").press("Enter")
    expect(cell(page, "Prune %: fc1")).to_have_value("60")


def test_what_is_typed_while_the_server_is_away_is_in_the_recipe_once_it_is_back(
    page: Page, serving: tuple[Serving, ExitStack]
) -> None:
    served, servers = serving
    enter(page, "Prune %: fc3", "70")
    at_rest(page)
    before = page.locator(RECIPE).first.inner_text()
    servers.close()
    cell(page, "Prune %: fc3").fill("77")
    cell(page, "Prune %: fc3").press("Enter")
    servers.enter_context(served.running())
    expect(page.locator(RECIPE).first).not_to_have_text(before)
    at_rest(page)
    page.reload()
    expect(cell(page, "Prune %: fc3")).to_have_value("77")
