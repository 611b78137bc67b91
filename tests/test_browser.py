"""What a person does, in a real browser against a real server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import ConsoleMessage, Error, Locator, Page, expect

from dashboard.links import encoded
from scripts.page_legibility import controls_of, legibility_of
from tests.one_tab import PATIENCE, as_new, leave, settled
from tests.served import ROOT, Serving

# Streamlit looks for itself beside the page's address first and reports what it did not find there.
# A run that begins before a picture was fetched replaces it, and Streamlit lets go of the old one at once:
# what counts is that the page ends without a broken picture.
PICTURE = re.compile(r"/media/\w+\.png$")
PROBE = re.compile(r"/_stcore/(health|host-config)$")

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server of its own, stopped afterwards; it begins as people start it."""
    serving = Serving(None)
    with serving.anew():
        yield serving.address


class Visit:
    """What a visitor sees in a tab, with every error that its console showed."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", self._note_fault)

    def _note_fault(self, fault: Error) -> None:
        self.errors.append(str(fault))

    def _note(self, message: ConsoleMessage) -> None:
        where = message.location.get("url", "")
        if message.type == "error" and not PROBE.search(where) and not PICTURE.search(where):
            self.errors.append(f"{message.text} ({where})")

    def settled(self) -> Page:
        """The page once nothing is running any more."""
        settled(self.page)
        return self.page

    def accuracy(self) -> str:
        """What the header says once all items were computed."""
        header = self.page.locator(".st-key-slimscope_header")
        expect(header.get_by_text("Accuracy on validation, N = 6,000")).to_be_visible()
        expect(header.get_by_text("…")).to_have_count(0)
        return header.locator(".st-key-slimscope_accuracy strong").first.inner_text()

    def size(self) -> str:
        return self.page.locator(".st-key-slimscope_plain strong").first.inner_text()

    def end(self) -> None:
        """Look once more and no longer listen; a picture that stands on the page in vain is an error."""
        broken = "images => images.filter(image => image.complete && !image.naturalWidth).map(i => i.src)"
        self.errors += self.page.locator("img").evaluate_all(broken)
        self.page.remove_listener("console", self._note)
        self.page.remove_listener("pageerror", self._note_fault)


@contextmanager
def visited(tab: Page, scheme: Literal["light", "dark"] = "light") -> Iterator[Visit]:
    """A visit whose console shows no error."""
    with as_new(tab, 1360, 1500, scheme) as page:
        visiting = Visit(page)
        try:
            yield visiting
        finally:
            visiting.end()
        assert visiting.errors == []


@pytest.fixture
def visit(shared_tab: Page) -> Iterator[Visit]:
    with visited(shared_tab) as visiting:
        yield visiting


TITLES = {
    "tune": "What does this layer do to me?",
    "explain": "Does it still look at the same things?",
    "deploy": "Is it really small and fast, and where?",
}


def assert_controls_have_names(page: Page) -> None:
    """What a screen reader would be told: a control without a name is a riddle."""
    found = list(controls_of(page))
    assert len(found) >= 2, "every page has links and buttons"
    assert not [role for role, name in found if not name]


def assert_texts_read_well(page: Page) -> None:
    """Every text that is seen, in charts as well, against what really lies behind it."""
    found = legibility_of(page)
    assert found.texts > 10
    assert found.faint == ()


def slider(page: Page, label: str) -> Locator:
    return page.get_by_role("slider", name=label).first


def uploader(page: Page, label: str) -> Locator:
    """The box for a file: by its label, for the second of two may be on the page before the first."""
    return page.get_by_test_id("stFileUploader").filter(has_text=label).locator("input[type=file]")


def open_demo(visit: Visit, address: str) -> Page:
    visit.page.goto(address)
    visit.page.get_by_role("button", name="Open the demo").wait_for()
    assert_controls_have_names(visit.page)
    visit.page.get_by_role("button", name="Open the demo").click()
    expect(visit.page.get_by_role("heading", name=TITLES["tune"])).to_be_visible()
    return visit.settled()


def open_page(visit: Visit, address: str, name: str) -> Page:
    """A page of the demo's model, by its link."""
    visit.page.goto(f"{address}/{name}?m=lenet5")
    expect(visit.page.get_by_role("heading", name=TITLES[name])).to_be_visible()
    return visit.settled()


def test_link_to_a_page_works_as_the_first_visit_of_a_new_server(address: str, visit: Visit) -> None:
    visit.page.goto(f"{address}/weights?m=lenet300")
    expect(visit.page.get_by_role("heading", name="What is left in there?")).to_be_visible()
    expect(visit.page.locator(".st-key-slimscope_header")).to_be_visible()


def test_slider_moved_by_keys_changes_sparsity_bytes_and_accuracy_and_undo_takes_it_back(
    address: str, visit: Visit
) -> None:
    page = open_demo(visit, address)
    accuracy, size = visit.accuracy(), visit.size()
    knob = slider(page, "Weights removed")
    before = knob.get_attribute("aria-valuetext")
    knob.focus()
    knob.press("PageUp")
    expect(knob).not_to_have_attribute("aria-valuetext", before or "")
    expect(page.locator(".st-key-slimscope_header").get_by_text(size)).to_have_count(0)
    visit.settled()
    after_accuracy, after_size = visit.accuracy(), visit.size()
    assert after_size != size
    assert after_accuracy != accuracy
    link = page.url
    page.get_by_test_id("stMain").get_by_role("button").filter(has_text="undo").click()
    expect(page.locator(".st-key-slimscope_header").get_by_text(size)).to_be_visible()
    visit.settled()
    assert visit.accuracy() == accuracy
    expect(slider(page, "Weights removed")).to_have_attribute("aria-valuetext", before or "")
    leave(page)
    page.goto(link)  # as somebody else
    expect(page.locator(".st-key-slimscope_header")).to_be_visible()
    visit.settled()
    assert (visit.size(), visit.accuracy()) == (after_size, after_accuracy)


def test_own_model_is_uploaded_and_tuned(address: str, visit: Visit) -> None:
    page = visit.page
    page.goto(address)
    uploader(page, "Model: safetensors").set_input_files(
        ROOT / "sample_models" / "lenet300" / "weights.safetensors"
    )
    page.get_by_role("button", name="Read the model").click()
    onwards = page.get_by_role("button", name="on Tune")
    expect(onwards).to_be_visible()
    page.wait_for_timeout(1000)
    visit.settled()
    onwards.click()
    expect(page.get_by_role("heading", name=TITLES["tune"])).to_be_visible()
    visit.settled()
    expect(page).to_have_url(re.compile("m=own-"))
    assert visit.accuracy().startswith("99.")


def test_garbage_is_refused_in_a_sentence(address: str, visit: Visit, tmp_path: Path) -> None:
    bad = tmp_path / "weights.safetensors"
    bad.write_bytes(b"\xff" * 1000)
    page = visit.page
    page.goto(address)
    uploader(page, "Model: safetensors").set_input_files(bad)
    page.get_by_role("button", name="Read the model").click()
    expect(page.get_by_test_id("stAlert").first).to_be_visible()
    visit.settled()
    expect(page.get_by_text("Traceback")).to_have_count(0)


def test_item_is_explained_before_and_after(address: str, visit: Visit) -> None:
    page = open_page(visit, address, "explain")
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("How alike both maps of this item are")).to_be_visible()
    visit.settled()


PLACE_OF_CELL = """(chart, [row, column]) => {
  const { xaxis, yaxis } = chart._fullLayout;
  const box = chart.getBoundingClientRect();
  return [box.x + xaxis._offset + xaxis.d2p(column), box.y + yaxis._offset + yaxis.d2p(row)];
}"""


def test_a_click_on_a_cell_of_the_flips_filters_the_gallery_and_a_picture_leads_to_explain(
    address: str, visit: Visit
) -> None:
    page = visit.page
    recipe = encoded([["fc1", [{"technique": "magnitude", "sparsity": 0.95}]]])
    page.goto(f"{address}/behavior?m=lenet300&r={recipe}")
    every = page.get_by_role("heading", name=re.compile(r"^Items whose predicted class changed: \d+"))
    expect(every).to_be_visible()
    visit.accuracy()  # what is there later has the page run anew, and the chart moves
    visit.settled()
    for expected in ("items whose predicted class changed: 7 → 9", "Items whose predicted class changed"):
        chart = page.locator(".st-key-behavior-flips .js-plotly-plot")
        chart.scroll_into_view_if_needed()
        page.mouse.click(*chart.evaluate(PLACE_OF_CELL, [7, 9]))
        expect(page.get_by_role("heading", name=expected)).to_be_visible()
        visit.settled()
    first = page.get_by_role("button", name=re.compile(r"Explain item \d+")).first
    item = first.inner_text().split()[-1]
    first.click()
    expect(page.get_by_role("heading", name=TITLES["explain"])).to_be_visible()
    expect(page.get_by_role("spinbutton", name="Item, 0 to 5,999")).to_have_value(item)
    visit.settled()


def test_packed_file_is_made_and_taken_away(address: str, visit: Visit) -> None:
    page = open_page(visit, address, "deploy")
    page.get_by_role("button", name="Make", exact=False).filter(has_not_text="all").first.click()
    downloads = page.get_by_role("button", name="Download")
    expect(downloads).to_have_count(2, timeout=2 * PATIENCE)
    visit.settled()
    with page.expect_download() as started:
        downloads.nth(1).click()
    assert started.value.path().read_bytes().startswith(b"SLIM")
    assert_controls_have_names(page)
    page.get_by_role("tab", name="Is it small?").click()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    expect(page.get_by_text("not made yet")).to_have_count(0)
    visit.settled()


def test_chinese_is_spoken_when_chosen(address: str, visit: Visit) -> None:
    page = open_page(visit, address, "tune")
    page.get_by_role("radio", name="中文").or_(page.get_by_role("button", name="中文")).click()
    expect(page.get_by_role("heading", name="这一层对我有什么影响")).to_be_visible()
    expect(page.get_by_role("heading", name=TITLES["tune"])).to_have_count(0)
    visit.settled()


def test_figures_follow_a_theme_that_changes_while_the_page_stands(address: str, visit: Visit) -> None:
    visit.page.goto(f"{address}/weights?m=lenet5")
    assert_texts_read_well(visit.settled())
    words = visit.page.locator(".js-plotly-plot text").first
    as_in_light = words.evaluate("text => getComputedStyle(text).fill")
    visit.page.emulate_media(color_scheme="dark")
    expect(words).not_to_have_css("fill", as_in_light)  # the run that draws anew may be asked for late
    assert_texts_read_well(visit.settled())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_drawn_without_an_error_in_both_themes(
    address: str, shared_tab: Page, scheme: Literal["light", "dark"], tmp_path: Path
) -> None:
    folder = Path(os.environ.get("SLIMSCOPE_SCREENSHOTS", tmp_path))
    with visited(shared_tab, scheme) as visiting:
        draw_every_page(visiting, open_page(visiting, address, "tune"), folder, scheme)


def draw_every_page(visiting: Visit, page: Page, folder: Path, scheme: str) -> None:
    for name in ("Tune", "Weights", "Behavior", "Explain"):
        if name != "Tune":
            page.get_by_role("link", name=name).click()
            expect(page).to_have_url(re.compile(f"/{name.lower()}"))
            chart = page.get_by_test_id("stMain").locator(".js-plotly-plot").first
            expect(chart).to_be_visible(timeout=PATIENCE)
        visiting.accuracy()  # what is there later has the page run anew, and what that replaces fades
        visiting.settled()
        assert_controls_have_names(page)
        assert_texts_read_well(page)
        picture = page.screenshot(path=folder / f"{name.lower()}_{scheme}.png")
        assert len(picture) > 40_000, f"{name}: an empty page is a small picture"


def test_knobs_of_a_layer_fit_a_screen_keep_the_hand_that_moves_them_and_say_what_the_recipe_says(
    address: str, visit: Visit
) -> None:
    page = visit.page
    page.set_viewport_size({"width": 1366, "height": 768})
    page.goto(f"{address}/tune?m=lenet5&l=fc1")
    rank, share = slider(page, "Rank kept"), slider(page, "Weights removed")
    for knob, column, technique in ((rank, "factor", "Low rank"), (share, "prune", "Magnitude")):
        knob.focus()
        knob.press("ArrowLeft" if column == "factor" else "PageUp")
        frame = page.locator(f".st-key-tune_knob_{column}")
        expect(frame.get_by_role("combobox").first).to_have_value(technique)
        visit.settled()
        assert knob.evaluate("knob => knob.getRootNode().activeElement === knob"), technique
    page.locator(".st-key-tune_knob_prune").get_by_role("button", name="More").click()
    expect(page.get_by_role("combobox", name="Scope")).to_have_value("Layer")
    page.keyboard.press("Escape")
    heights = page.locator("[class*=st-key-tune_knob_] .live-slider").evaluate_all(
        "all => all.map(slider => slider.offsetHeight)"
    )
    assert len(heights) == 3
    assert max(heights) < 400


def test_layer_is_chosen_by_a_click_typed_into_refused_in_its_cell_sorted_and_found(
    address: str, visit: Visit
) -> None:
    page = open_page(visit, address, "tune")
    table = page.get_by_role("grid", name="Layers")
    chosen = table.get_by_role("row", name=re.compile("^conv2"))
    chosen.locator(".title").click()
    expect(chosen).to_have_attribute("aria-selected", "true")
    expect(page.get_by_test_id("stMarkdown").filter(has_text="conv2 · conv2d · 50x20x5x5")).to_be_visible()
    visit.settled()
    size = visit.size()
    share, rank = (table.get_by_role("textbox", name=f"{column}: conv2") for column in ("Prune %", "Rank"))
    share.fill("80")
    share.press("Enter")
    expect(slider(page, "Weights removed")).to_have_attribute("aria-valuetext", "80 % of the weights removed")
    expect(page.locator(".st-key-slimscope_header").get_by_text(size)).to_have_count(0)
    rank.fill("51")
    rank.press("Enter")
    sentence = table.get_by_text("rank 50 at most")
    expect(sentence).to_be_visible()
    expect(rank).to_have_value("51")
    expect(rank).to_have_attribute("aria-invalid", "true")
    rank.fill("")
    rank.press("Enter")
    expect(sentence).to_have_count(0)
    table.get_by_role("button", name="Bytes").click()
    expect(table.get_by_role("row").nth(1)).to_contain_text("fc1")
    page.get_by_role("searchbox", name="Search layers").fill("fc1")
    expect(page.get_by_text("1 of 4 layers")).to_be_visible()
    page.get_by_role("searchbox", name="Search layers").fill("")
    expect(chosen.locator(".error .measured")).to_be_visible()
    visit.settled()
