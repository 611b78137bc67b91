"""The check of contrast and names finds what is planted, over what really lies behind, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from scripts import page_legibility
from scripts.page_legibility import legibility_of
from tests.one_tab import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

GRAY = "#777"  # on white 4.48 to 1, just too little
COVERED = (
    f"<div style='position:relative;width:200px;font-size:200px'><p style='color:{GRAY};margin:0'>x</p>"
    "<div style='position:absolute;inset:0;background:#fff'></div></div>"
)
UNDER = (
    "<div style='position:relative'><div style='position:absolute;inset:0;background:#333'></div>"
    "<p style='position:relative;color:#111'>x</p></div>"
)
ON_A_BAR = (
    "<svg width=200 height=60><rect width=200 height=60 fill='#222'/><text x=20 y=30 fill='{}'>x</text></svg>"
)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page on which nothing moves or fades, so that nobody has to wait until it has settled."""
    with (
        pytest.MonkeyPatch.context() as patch,
        browser.new_context(viewport={"width": 600, "height": 300}) as context,
    ):
        patch.setattr(page_legibility, "SETTLING_MS", 0)
        context.set_default_timeout(PATIENCE)
        yield context.new_page()


def faint(page: Page, content: str) -> list[str]:
    page.set_content(f"<body style='margin:0;background:#fff'>{content}</body>")
    return [each.text for each in legibility_of(page).faint]


@pytest.mark.parametrize(
    "content",
    [
        f"<p style='color:{GRAY}'>x</p>",
        "<p style='color:#000;opacity:.4'>x</p>",
        "<div style='opacity:.5'><p style='color:rgba(0,0,0,.8)'>x</p></div>",
        "<p style='color:#000;background:linear-gradient(90deg,#222,#444)'>x</p>",
        UNDER,
        ON_A_BAR.format("#444"),
        f"<input value=x style='color:{GRAY};background:#fff'>",
        f"<style>::placeholder{{color:{GRAY}}}</style><input placeholder=x style='background:#fff'>",
        f"<style>i::before{{content:'x';color:{GRAY}}}</style><i style='display:block;width:40px'></i>",
        f"<div style='height:900px'></div><p style='color:{GRAY}'>x</p>",
        f"<p style='color:{GRAY};font-size:40px'>x</p>",
        "<p style='color:#fff'>x</p>",
    ],
)
def test_a_text_that_is_hard_to_read_is_found_wherever_it_stands(page: Page, content: str) -> None:
    assert faint(page, content) == ["x"]


@pytest.mark.parametrize(
    "content",
    [
        "<p style='color:#767676'>x</p>",
        f"<p style='color:{GRAY};visibility:hidden'>x</p>",
        f"<p style='color:{GRAY};opacity:0'>x</p>",
        f"<button disabled style='color:{GRAY}'>x</button>",
        COVERED,
        "<div style='position:relative;width:200px'>"
        + ON_A_BAR.format("#444")
        + "<div style='position:absolute;"
        "inset:0;background:#fff'></div></div>",
        COVERED.replace("inset:0", "inset:0 0 0 50px"),
        "<p style='color:#fff;background:#00f'>x</p>",
        ON_A_BAR.format("#fff"),
        f"<span data-testid=stIconMaterial style='color:{GRAY}'>x</span>",
    ],
)
def test_what_reads_well_or_is_not_to_be_read_is_left_alone(page: Page, content: str) -> None:
    assert faint(page, content) == []


def test_an_icon_needs_three_to_one(page: Page) -> None:
    assert faint(page, "<span data-testid=stIconMaterial style='color:#999'>x</span>") == ["x"]


def test_a_control_without_a_name_is_told(page: Page) -> None:
    page.set_content("<button></button><input aria-label=named><a href=x>named</a><select></select>")
    found = legibility_of(page)
    assert found.unnamed == ("button", "combobox")
    assert found.controls == 4


def test_a_look_leaves_the_page_as_it_was(page: Page) -> None:
    page.set_content("<p>x</p>")
    before = page.content()
    legibility_of(page)
    assert page.content() == before
    assert page.viewport_size == {"width": 600, "height": 300}
