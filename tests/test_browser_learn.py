"""A lesson in a real browser, by the keyboard alone, from its link to the last question."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from dashboard.figures.predicted_outcome import BELOW, LEFT
from dashboard.text import languages
from scripts.lessons_by_keys import SHOWN, by_keys
from tests.one_tab import as_new
from tests.served import Serving

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


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


@pytest.mark.parametrize(("name", "language"), [("smallest_weights", "en"), ("rank_of_a_layer", "zh")])
def test_a_lesson_is_done_by_the_keyboard_alone(
    page: Page, served: Serving, name: str, language: str
) -> None:
    """All others: `python scripts/lessons_by_keys.py`."""
    assert by_keys(page, served.address, name, language)


@pytest.mark.parametrize("language", languages())
def test_an_outcome_has_room_for_its_texts_and_is_drawn_once(
    page: Page, served: Serving, language: str
) -> None:
    """Where a text needs more room than there is, Plotly gives it that and draws all of it anew."""
    page.goto(f"{served.address}/learn?lesson=zeros_and_speed&lang={language}&revealed=1")
    figure = page.locator(SHOWN)
    figure.locator(".legend").wait_for()
    assert figure.evaluate("plot => [plot._fullLayout._size.l, plot._fullLayout._size.b]") == [LEFT, BELOW]
