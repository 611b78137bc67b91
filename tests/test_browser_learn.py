"""A lesson in a real browser, by the keyboard alone, from its link to the last question."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from scripts.lessons_by_keys import by_keys
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
