"""A lesson in a real browser, by the keyboard alone, from its link to the last question."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.learn.lesson_files import lessons
from dashboard.learn.lesson_progress import EXERCISE, QUIZ, WHY
from dashboard.text import _ as translated
from dashboard.text import use_language
from tests.one_tab import as_new
from tests.served import Serving

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MOST_TABS = 60
SOLVED_AT = "50"  # percent of the weights removed, and the rank


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that nobody has asked for anything yet."""
    serving = Serving(tmp_path_factory.mktemp("learn") / "work")
    with serving.anew():
        yield serving


@pytest.fixture
def page(shared_tab: Page) -> Iterator[Page]:
    with as_new(shared_tab, 1366, 768) as opened:
        yield opened


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until this has the focus."""
    expect(wanted).to_be_visible()
    for _press in range(MOST_TABS):
        if wanted.evaluate("element => element === document.activeElement || element.matches(':focus')"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached by the Tab key")


def go_to(page: Page, name: str, stage: int) -> None:
    tab_to(page, page.locator(f".st-key-learn-{name}-to-{stage} button"))
    page.keyboard.press("Enter")


def says(page: Page, text: str, language: str) -> None:
    """Wait for a text that names no number."""
    assert "{" not in text
    with use_language(language):
        expect(page.get_by_text(translated(text))).to_be_visible()


@pytest.mark.parametrize(("name", "language"), [("smallest_weights", "en"), ("rank_of_a_layer", "zh")])
def test_a_lesson_is_done_by_the_keyboard_alone(
    page: Page, served: Serving, name: str, language: str
) -> None:
    lesson = lessons()[name]
    page.goto(f"{served.address}/learn?lesson={name}&seed=3&lang={language}")
    expect(page.locator(".js-plotly-plot")).to_have_count(0)
    tab_to(page, page.get_by_role("spinbutton"))
    page.keyboard.type(f"{lesson.prediction.high * 0.5:g}")
    page.keyboard.press("Enter")
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    go_to(page, name, WHY)
    expect(page.locator("summary").first).to_be_visible()
    go_to(page, name, EXERCISE)
    says(page, lesson.exercise, language)
    with use_language(language):
        solved, knob = page.get_by_text(translated(lesson.solved)), translated(lesson.knob.label)
    tab_to(page, page.get_by_role("spinbutton", name=knob))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(SOLVED_AT)
    page.keyboard.press("Enter")
    expect(solved).to_be_visible()
    go_to(page, name, QUIZ)
    for number in range(len(lesson.quiz)):
        tab_to(page, page.locator(f".st-key-learn-{name}-quiz-{number} input[type=radio]").first)
        page.keyboard.press("Space")
        expect(page.get_by_test_id("stAlert")).to_have_count(number + 1)
    expect(page.locator(f".st-key-learn-{name}-tune button")).to_be_visible()
