"""The header as a browser shows it: one line on top of every page, one box a number, undo by key, a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Error, Locator, Page, expect

from dashboard.links import encoded
from tests.one_tab import PATIENCE, as_new, settled
from tests.served import Serving
from tests.test_browser import slider

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

HEADER = ".st-key-slimscope_header"
RECIPE = ".st-key-slimscope_recipe strong"
FOOT = ".st-key-slimscope-language-choice"
MOST_PRESSES = 5
HIGHEST, HIGHEST_OF_TWO_LINES, MENU = 64, 116, 56
AT_LEAST_18_PX = re.compile(r"^(1[89]|[2-9]\d)(\.\d+)?px$")
# Charts and tables of our own have their height a moment after they are there, and a page that is drawn anew
# is shorter for a moment: both are asked at once, until both hold.
STAYS_WHILE_THE_TITLE_IS_GONE = """() => {
    const page = document.querySelector('[data-testid="stMain"]');
    page.scrollTo(0, page.scrollHeight);
    const top = document.querySelector('.st-key-slimscope_header').getBoundingClientRect().top;
    const menu = document.querySelector('[data-testid="stHeader"]').getBoundingClientRect();
    return page.querySelector('h1').getBoundingClientRect().bottom < 0 && Math.abs(top - menu.bottom) <= 1;
}"""
LIES_BELOW = """found => {
    const page = document.querySelector('[data-testid="stMain"]');
    page.scrollTop = page.scrollHeight;
    found.scrollIntoView();
    const header = document.querySelector('.st-key-slimscope_header').getBoundingClientRect();
    return found.getBoundingClientRect().top >= header.bottom;
}"""
# Every text that stood on the box of the accuracy, and the most boxes at a time.
WATCH = """() => {
    window.seen = {texts: [], most: 0};
    const look = () => {
        const boxes = [...document.querySelectorAll('.st-key-slimscope_header [data-testid="stPopover"]')]
            .filter(box => box.textContent.startsWith('Accuracy'));
        window.seen.most = Math.max(window.seen.most, boxes.length);
        window.seen.texts.push(...boxes.map(box => box.textContent));
    };
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
    look();
}"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server for all of this file."""
    serving = Serving(None)
    with serving.running():
        yield serving.address


@pytest.fixture
def screen(shared_tab: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A window of a laptop, or what a test asks for."""
    width, height, scheme = getattr(request, "param", (1366, 768, "light"))
    with as_new(shared_tab, width, height, scheme) as page, without_faults(page):
        yield page


@pytest.fixture
def phone(phone_tab: Page) -> Iterator[Page]:
    with as_new(phone_tab, 390, 844) as page, without_faults(page):
        yield page


@contextmanager
def without_faults(page: Page) -> Iterator[None]:
    faults: list[str] = []

    def note(fault: Error) -> None:
        faults.append(str(fault))

    page.on("pageerror", note)
    yield
    page.remove_listener("pageerror", note)
    assert faults == [], "a message that the browser cannot place leaves the rest of the page undrawn"


def _at_rest(page: Page) -> None:
    """The exact numbers are there, and nothing runs any more."""
    expect(page.locator(HEADER).get_by_text("Accuracy on validation, N = 6,000")).to_be_visible(
        timeout=2 * PATIENCE
    )
    expect(page.locator(HEADER).get_by_text("…")).to_have_count(0)
    expect(page.locator(HEADER).get_by_text("stale")).to_have_count(0)
    expect(page.locator(FOOT)).to_have_count(1)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)


def assert_what_is_scrolled_to_lies_below_the_header(page: Page) -> None:
    for found in (page.get_by_role("searchbox").first, page.get_by_role("tab", name="Many layers")):
        page.wait_for_function(LIES_BELOW, arg=found.element_handle(), polling=100)


def _box(found: Locator) -> dict[str, float]:
    box = found.bounding_box()
    assert box is not None
    return {name: float(value) for name, value in box.items()}


@pytest.mark.parametrize("screen", [(1366, 768, "light"), (1366, 768, "dark")], indirect=True)
def test_header_is_one_line_that_stays_below_the_menu_covers_what_scrolls_and_hides_nothing_scrolled_to(
    address: str,
    screen: Page,
) -> None:
    screen.goto(f"{address}/tune?m=lenet300")
    _at_rest(screen)
    header = screen.locator(HEADER)
    screen.wait_for_function(STAYS_WHILE_THE_TITLE_IS_GONE, polling=100)
    assert _box(header)["height"] <= HIGHEST
    color = "found => getComputedStyle(found).backgroundColor"
    assert header.evaluate(color) == screen.get_by_test_id("stApp").evaluate(color)
    assert_what_is_scrolled_to_lies_below_the_header(screen)


def test_accuracy_has_one_box_at_any_time_and_few_items_are_never_shown_as_all(
    address: str,
    screen: Page,
) -> None:
    screen.goto(f"{address}/tune?m=lenet5")
    expect(screen.locator(HEADER)).to_be_visible()
    screen.evaluate(WATCH)
    _at_rest(screen)
    screen.get_by_role("slider", name="Weights removed").first.press("PageUp")
    expect(screen.locator(RECIPE).first).not_to_have_text("unchanged")
    _at_rest(screen)
    seen = screen.evaluate("() => window.seen")
    assert seen["most"] == 1
    assert any("N = 6,000" in text for text in seen["texts"])
    assert all("…" in text or "stale" in text for text in seen["texts"] if "N = 6,000" not in text)


def test_keys_undo_and_redo_on_every_page_but_not_in_a_text_box(address: str, screen: Page) -> None:
    screen.goto(f"{address}/tune?m=lenet300")
    _at_rest(screen)
    recipe = screen.locator(RECIPE).first
    slider(screen, "Weights removed").press("PageUp")
    expect(recipe).to_contain_text("edited")
    search = screen.get_by_role("searchbox").first
    search.fill("fc")
    search.press("Control+z")
    expect(search).to_have_value("")
    search.press("Escape")
    expect(recipe).to_contain_text("edited")
    slider(screen, "Weights removed").press("Control+z")
    expect(recipe).to_have_text("unchanged")
    screen.get_by_role("link", name="Weights").click()
    expect(screen.get_by_role("heading", name="What is left in there?")).to_be_visible()
    screen.keyboard.press("Control+Shift+z")
    expect(recipe).to_contain_text("edited")
    expect(screen.locator(HEADER).get_by_role("button").filter(has_text="undo")).to_be_enabled()
    screen.keyboard.press("Meta+z")
    expect(recipe).to_have_text("unchanged")
    screen.keyboard.press("Control+Shift+z")
    undo, redo = (screen.locator(HEADER).get_by_role("button").filter(has_text=it) for it in ("undo", "redo"))
    expect(recipe).to_contain_text("edited")
    expect(undo).to_be_enabled()
    undo.press("Enter")
    expect(redo).to_be_focused()


def test_a_key_that_is_pressed_while_the_page_runs_is_done_when_the_run_is_over(
    address: str,
    screen: Page,
) -> None:
    screen.goto(f"{address}/tune?m=lenet300")
    _at_rest(screen)
    undo, redo = (screen.locator(HEADER).get_by_role("button").filter(has_text=t) for t in ("undo", "redo"))
    expect(undo).to_be_disabled()
    slider(screen, "Weights removed").press("PageUp")
    screen.keyboard.press("Control+z")
    expect(redo).to_be_enabled()
    expect(screen.locator(RECIPE).first).to_have_text("unchanged")


WIDTHS = "() => (page => [page.scrollWidth, page.clientWidth])(document.querySelector('.stMain'))"
ACCURACY = ".st-key-slimscope_accuracy strong"


def test_on_a_phone_the_header_is_two_lines_that_hide_nothing_the_menu_closes_and_no_toolbar_covers_a_title(
    address: str, phone: Page
) -> None:
    phone.goto(f"{address}/tune?m=lenet300")
    _at_rest(phone)
    assert phone.evaluate(WIDTHS) == [390, 390]
    assert_what_is_scrolled_to_lies_below_the_header(phone)
    slider(phone, "Weights removed").press("End")
    _at_rest(phone)
    expect(phone.locator(ACCURACY)).to_contain_text("points [")
    assert phone.locator(ACCURACY).evaluate("it => it.scrollWidth <= it.clientWidth"), "cut off"
    assert _box(phone.locator(HEADER))["height"] <= HIGHEST_OF_TWO_LINES
    for name in ("_plain", "_accuracy", "_model", "_recipe", "-undo", "-redo", "_share"):
        expect(phone.locator(f"{HEADER} .st-key-slimscope{name} button:visible").first).to_be_in_viewport(
            ratio=1
        )
    undo = phone.locator(f"{HEADER} .st-key-slimscope-undo button:visible").first
    expect(undo).to_be_enabled()
    undo.tap()
    expect(phone.locator(RECIPE).first).to_have_text("unchanged")
    phone.get_by_test_id("stExpandSidebarButton").tap()
    phone.get_by_test_id("stSidebarNavLink").filter(has_text="Weights").tap()
    expect(phone.get_by_role("heading", name="What is left in there?")).to_be_visible()
    expect(phone.get_by_test_id("stSidebarNavLink").first).not_to_be_in_viewport()
    expect(phone.locator(".js-plotly-plot").first).to_be_visible()
    expect(phone.locator(".modebar").first).to_be_hidden()


TABLET = (820, 1180)
LEFT_OF_ITS_EDGE = """found => {
    const line = found.closest(".st-key-slimscope_header").getBoundingClientRect();
    const box = found.getBoundingClientRect();
    return box.left >= line.left && box.right <= line.right && box.width > 0;
}"""


def test_on_a_tablet_undo_stays_in_sight_and_no_toolbar_covers_a_title(address: str, phone_tab: Page) -> None:
    with as_new(phone_tab, *TABLET) as tablet, without_faults(tablet):
        tablet.goto(f"{address}/weights?m=lenet300")
        _at_rest(tablet)
        for name in ("-undo", "-redo", "_share"):
            found = tablet.locator(f"{HEADER} .st-key-slimscope{name} button:visible").first
            assert found.evaluate(LEFT_OF_ITS_EDGE)
        assert tablet.evaluate("() => matchMedia('(hover: none)').matches")
        expect(tablet.locator(".js-plotly-plot").first).to_be_visible()
        expect(tablet.locator(".modebar").first).to_be_hidden()


TABS_CUT_OFF = """() => [...document.querySelectorAll('.stMain [role=tablist]')].flatMap(row => {
    const edge = row.getBoundingClientRect();
    return [...row.querySelectorAll('[role=tab]')].filter(tab => {
        const box = tab.getBoundingClientRect();
        return box.left < Math.max(0, edge.left) || box.right > Math.min(innerWidth, edge.right) + 0.5;
    }).map(tab => tab.textContent);
})"""
NO_TAB_CUT_OFF = f"() => ({TABS_CUT_OFF})().length === 0"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("name", "count"), [("trade_offs", 7), ("tune", 10), ("deploy", 5)])
def test_on_a_phone_every_tab_is_seen_whole_and_the_last_one_opens(
    address: str, phone: Page, name: str, count: int, language: str
) -> None:
    cut = encoded({"groups": [], "layers": [["fc1", [{"technique": "magnitude", "sparsity": 0.9}]]]})
    phone.goto(f"{address}/{name}?m=tabular&r={cut}&lang={language}")
    tabs = phone.locator(".stMain").get_by_role("tab")
    expect(tabs).to_have_count(count)
    phone.wait_for_function(NO_TAB_CUT_OFF, polling=100)  # once the page has its style
    tabs.last.tap()
    expect(tabs.last).to_have_attribute("aria-selected", "true")
    expect(phone.get_by_role("tabpanel")).to_be_visible()
    assert phone.evaluate(TABS_CUT_OFF) == []
    assert phone.evaluate(WIDTHS) == [390, 390]


def test_what_shrinks_together_fits_below_the_header(address: str, screen: Page) -> None:
    cut = [{"technique": "magnitude", "share_removed": 0.25}]
    recipe = encoded({"groups": [["layer1.conv1", cut]], "layers": []})
    screen.goto(f"{address}/tune?m=resnet&l=layer1.conv1&r={recipe}")
    tab = screen.get_by_role("tab", name="What shrinks together")
    tab.click()
    expect(screen.locator(".js-plotly-plot:visible")).to_have_count(1)
    header, panel = _box(screen.locator(HEADER)), _box(screen.locator("[role=tabpanel]:visible"))
    assert header["height"] <= HIGHEST
    assert MENU + HIGHEST + _box(tab)["height"] + panel["height"] <= 768


@pytest.mark.parametrize("screen", [(1920, 1080, "light")], indirect=True)
def test_a_presenter_has_large_type_and_switches_it_off_again(address: str, screen: Page) -> None:
    screen.goto(f"{address}/tune?m=lenet300&present=1&beside=item")
    _at_rest(screen)
    expect(screen.locator(".item-bars .share").first).to_have_css("font-size", AT_LEAST_18_PX)
    output = screen.locator(".st-key-tune_followed [data-testid=stCaptionContainer]")
    expect(output).to_be_in_viewport(ratio=1)
    assert _box(screen.locator(HEADER))["height"] > HIGHEST, "in larger type the same line is higher"
    expect(screen.get_by_role("radio", name="English")).to_be_hidden()
    screen.locator(HEADER).get_by_role("button", name="Share").click()
    screen.get_by_text("Presenter mode").click()
    expect(screen.locator(HEADER)).to_have_css("font-size", "16px")


STALE = """() => ['recipe', 'plain', 'packed', 'accuracy', 'churn'].map(name =>
    getComputedStyle(document.querySelector(`.st-key-slimscope_${name} strong`), '::after').content)"""


def _press(knob: Locator) -> None:
    """Hold a slider by its left end; anew where the page moved away under the hand before it was pressed."""
    for _ in range(MOST_PRESSES):
        knob.hover(position={"x": 10, "y": 5})
        knob.page.mouse.down()
        if knob.evaluate("knob => knob.matches(':active')"):
            return
        knob.page.mouse.up()
    raise AssertionError("the slider does not stand still")


def test_numbers_are_marked_stale_while_a_knob_is_dragged_and_not_once_it_is_given_back(
    address: str,
    screen: Page,
) -> None:
    screen.goto(f"{address}/tune?m=lenet300")
    _at_rest(screen)
    assert screen.evaluate(STALE) == ["none"] * 5
    _press(slider(screen, "Weights removed"))
    knob = _box(slider(screen, "Weights removed"))
    screen.mouse.move(knob["x"] + 90, knob["y"] + knob["height"] / 2, steps=3)
    screen.wait_for_function(f"() => ({STALE})().every(text => text.includes('stale'))", polling=100)
    expect(screen.locator("tr.layer.stale")).to_have_count(1)
    expect(screen.locator(".st-key-tune_knob_quantize .number.stale")).to_have_count(3)
    expect(screen.locator(".st-key-tune_knob_factor .number.stale")).to_have_count(0)
    screen.keyboard.press("Escape")
    screen.wait_for_function(f"() => ({STALE})().every(text => text === 'none')", polling=100)
    expect(screen.locator(".stale")).to_have_count(0)
    screen.mouse.up()


def test_tabs_peek_out_below_many_layers_and_what_one_opens_comes_into_view(
    address: str,
    screen: Page,
) -> None:
    screen.goto(f"{address}/tune?m=vit")
    tab = screen.get_by_role("tab", name="Recipe")
    expect(screen.get_by_role("status").filter(has_text="20 of 20 layers")).to_be_visible()
    expect(tab).to_be_in_viewport(ratio=1)
    tab.click()
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(screen.get_by_role("tabpanel").first).to_be_in_viewport(ratio=0.2)
    screen.wait_for_function(
        "tab => tab.getBoundingClientRect().top < 200", arg=tab.element_handle(), polling=100
    )


RING = """tab => {
    const style = getComputedStyle(tab);
    const [wide, inwards] = [style.outlineWidth, style.outlineOffset].map(parseFloat);
    const drawn = [style.outlineStyle, wide >= 2, inwards < 0];
    return [...drawn, style.outlineColor === getComputedStyle(tab).color, style.boxShadow];
}"""
COMES_UP = "([tab, stood]) => tab.getBoundingClientRect().top < stood - 200"
STANDS_ON_TOP = "tab => Math.abs(tab.getBoundingClientRect().top - 124) < 8"


def _below_the_sliders(page: Page) -> Locator:
    """The first tab of Tune's lower row, once what stands above it has its height."""
    _at_rest(page)
    expect(slider(page, "Weights removed")).to_be_visible()
    settled(page)
    tab = page.get_by_role("tab", name="Many layers")
    page.wait_for_function(
        "tab => tab.getBoundingClientRect().top > 700", arg=tab.element_handle(), polling=100
    )
    return tab


@pytest.mark.parametrize("screen", [(1366, 768, "light"), (1366, 768, "dark")], indirect=True)
def test_what_a_key_opens_comes_into_view_as_well_and_the_tab_keeps_the_focus_in_a_whole_ring(
    address: str,
    screen: Page,
) -> None:
    screen.goto(f"{address}/tune?m=lenet5")
    screen.bring_to_front()  # the window of another test may be, and keys are of the one in front
    first = _below_the_sliders(screen)
    first.focus()
    for name in ("Each layer alone", "Criteria"):  # the second from above: its page is shorter for a moment
        screen.keyboard.press("ArrowRight")
        tab = screen.get_by_role("tab", name=name)
        expect(tab).to_have_attribute("aria-selected", "true")
        expect(screen.get_by_text("Criteria on fc1")).to_have_count(int(name == "Criteria"))
        _at_rest(screen)
        screen.wait_for_function(STANDS_ON_TOP, arg=tab.element_handle(), polling=100)
        assert tab.evaluate("tab => document.activeElement === tab"), screen.evaluate(
            "document.activeElement.outerHTML"
        )
        assert tab.evaluate(RING) == ["solid", True, True, True, "none"]


DISABLED_FOR_A_MOMENT = """tab => new Promise(done => {
    tab.removeAttribute("tabindex");
    tab.blur();
    tab.setAttribute("aria-disabled", "true");
    setTimeout(() => {
        const lost = document.activeElement !== tab;
        tab.setAttribute("tabindex", "0");
        tab.removeAttribute("aria-disabled");
        setTimeout(() => done([lost, document.activeElement === tab]), 300);
    }, 300);
})"""


def test_a_tab_that_streamlit_disables_while_it_draws_a_page_has_the_focus_again_afterwards(
    address: str, screen: Page
) -> None:
    screen.goto(f"{address}/tune?m=lenet5")
    screen.bring_to_front()
    first = _below_the_sliders(screen)
    first.focus()
    assert first.evaluate(DISABLED_FOR_A_MOMENT) == [True, True]
    screen.get_by_role("tab", name="Criteria").focus()
    assert first.evaluate(DISABLED_FOR_A_MOMENT) == [True, False], "another one has it"


def test_keys_that_are_the_browsers_move_no_page(address: str, screen: Page) -> None:
    screen.goto(f"{address}/tune?m=lenet5")
    first = _below_the_sliders(screen)
    first.focus()
    stood = _box(first)["y"]
    for key in ("Control+Home", "Shift", "Escape"):
        screen.keyboard.press(key)
    assert _box(first)["y"] == stood
    screen.keyboard.press("Enter")
    screen.wait_for_function(COMES_UP, arg=[first.element_handle(), stood], polling=100)
