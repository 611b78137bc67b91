"""A class in real browsers: its teacher by the keyboard, a pupil to whom the outcome comes by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.learn.lesson_files import lessons
from scripts.lessons_by_keys import go_to, tab_to
from tests.one_tab import PATIENCE
from tests.served import Serving
from tests.test_browser_learn import page  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

NAME = "one_budget"  # its texts are among the longest
AT_LEAST_18_PX = re.compile(r"^(1[89]|[2-9]\d)(\.\d+)?px$")
FIGURE = ".st-key-learn_lesson .js-plotly-plot:visible"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    serving = Serving(tmp_path_factory.mktemp("class") / "work")
    with serving.running():
        yield serving


@pytest.fixture
def pupil(browser: Browser) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        context.set_default_timeout(PATIENCE)
        yield context.new_page()


def press(screen: Page, key: str) -> None:
    """Go to a button by the Tab key and press Enter; Streamlit draws one with a help text twice."""
    tab_to(screen, screen.locator(f".st-key-{key} button:visible").first)
    screen.keyboard.press("Enter")


def test_a_class_is_held_by_the_keyboard_and_its_outcome_comes_to_the_pupil_by_itself(
    page: Page,  # noqa: F811
    pupil: Page,
    served: Serving,
) -> None:
    page.goto(f"{served.address}/learn?lesson={NAME}&lang=en&present=1")
    press(page, "learn-class-start")
    expect(page.get_by_text("You hold class")).to_be_visible()
    page.wait_for_url("**class=*")
    pupil.goto(page.url.replace("&present=1", ""))
    expect(page.get_by_test_id("stMetricValue").first).to_have_text("1")
    press(pupil, f"learn-{NAME}-before-send")
    tab_to(pupil, pupil.get_by_role("spinbutton"))
    pupil.keyboard.type("50")
    pupil.keyboard.press("Enter")
    expect(pupil.get_by_text("1 of 1 have committed")).to_be_visible()
    expect(pupil.locator(FIGURE)).to_have_count(0)
    press(page, f"learn-{NAME}-reveal")
    expect(page.locator(FIGURE)).to_have_count(2)
    expect(pupil.locator(FIGURE)).to_have_count(2)
    expect(pupil.get_by_text("You said 50.00 %").first).to_be_visible()


def test_a_lesson_is_one_screen_in_large_type(page: Page, served: Serving) -> None:  # noqa: F811
    page.goto(f"{served.address}/learn?lesson={NAME}&lang=en&present=1")
    expect(page.locator("html")).to_have_css("font-size", AT_LEAST_18_PX)
    tab_to(page, page.get_by_role("spinbutton"))
    page.keyboard.type("50")
    page.keyboard.press("Enter")
    expect(page.locator(FIGURE)).to_be_in_viewport(ratio=1)
    for stage in (2, 3, 4):
        onward = page.locator(f".st-key-learn-{NAME}-to-{stage} button")
        expect(onward).to_be_in_viewport(ratio=1)
        go_to(page, NAME, stage)
    for number in range(len(lessons()[NAME].quiz)):
        tab_to(page, page.locator(f".st-key-learn-{NAME}-quiz-{number} input[type=radio]").first)
        page.keyboard.press("Space")
        expect(page.get_by_test_id("stAlert")).to_have_count(number + 1)
    expect(page.locator(f".st-key-learn-{NAME}-tune button")).to_be_in_viewport(ratio=1)
    expect(page.locator(f".st-key-learn-{NAME}-back-4 button")).to_be_in_viewport(ratio=1)
