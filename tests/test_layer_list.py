"""The layer list in a browser, without a server: what a hand does, and what is told of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.layer_list import layer_list as module
from dashboard.layer_list.layer_row import COLUMNS, EditableCell, FixedCell, LayerRow
from tests.one_tab import as_new

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ROOT = Path(__file__).parent.parent
HOSTILE = "<img src=x onerror=alert(1)>"
LOAD = """async (source) => {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const { default: mount } = await import(address);
    window.told = [];
    const setStateValue = (_, said) => window.told.push(said);
    window.receive = (data) => void mount({ parentElement: document.body, data, setStateValue });
}"""
CONTRAST = """element => {
    const rgb = color => {
        const canvas = document.createElement("canvas").getContext("2d");
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data;
    };
    const light = color => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
        const c = rgb(color)[i] / 255;
        return sum + weight * (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    }, 0);
    let behind = element;
    while (rgb(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
    const placeholder = element.placeholder && !element.value;
    const ink = getComputedStyle(element, placeholder ? "::placeholder" : null).color;
    const [one, other] = [light(ink), light(getComputedStyle(behind).backgroundColor)].sort((a, b) => b - a);
    return (one + 0.05) / (other + 0.05);
}"""


@pytest.fixture
def page(shared_tab: Page) -> Iterator[Page]:
    """The component on an empty page as wide as its column: window.receive, window.told."""
    here = Path(module.__file__)
    with as_new(shared_tab, 520, 768) as opened:
        opened.set_content("<!DOCTYPE html><body>")  # without it tables inherit neither color nor font
        opened.add_style_tag(content=here.with_suffix(".css").read_text(encoding="utf-8"))
        opened.evaluate(LOAD, module.JAVASCRIPT)
        yield opened


def row(name: str, size: int = 4, error: float | None = 0.0, **cells: EditableCell) -> LayerRow:
    plain = {column: EditableCell("", 0.0, "0") for column in COLUMNS}
    told = FixedCell(
        "-" if error is None else f"{error} %", error, "missing" if error is None else "measured"
    )
    sized = FixedCell(f"{size} B", size)
    return LayerRow(name, "linear", "3x4", False, plain | cells, sized, (0.5, 1.0), told)  # type: ignore[operator]


ROWS = [row("fc10", 9, 2.0), row("fc2", 30, None), row("conv1", 4, 11.0)]


def receive(
    page: Page,
    rows: list[LayerRow] | None = None,
    chosen: str = "fc10",
    acknowledged: str | None = None,
    session: str = "one",
    hidden: tuple[str, ...] = (),
    held: tuple[str, ...] = (),
    recipe: str = "before",
) -> None:
    contents = {
        "rows": [one.as_json() for one in rows or ROWS],
        "chosen": chosen,
        "acknowledged": acknowledged,
        "session": session,
        "key": "the table",
        "footnote": "measured on N = 8",
        "recipe": recipe,
        "hidden": list(hidden),
        "held": list(held),
        "words": module._words(),
    }
    page.evaluate("receive", contents)


MOVED = {"isElsewhere": True, "isMoved": True}


def hear_of_a_knob(
    page: Page,
    layers: tuple[str, ...] = ("fc2",),
    column: str = "prune",
    recipe: str = "before",
    **said: bool,
) -> None:
    """What a slider says while it is moved."""
    moves = {"layers": layers, "column": column, "recipe": recipe}
    detail = {"id": f"{column} of {layers}", "value": 0.5, "moves": moves, **MOVED, **said}
    page.evaluate("detail => document.dispatchEvent(new CustomEvent('slimscope-knob', { detail }))", detail)


def told(page: Page) -> list[tuple[str, str, object]]:
    """What stands in the last list that the server was told."""
    said = page.evaluate("told.at(-1) ?? []")
    return [(one["layer"], one["column"], one["value"]) for one in said]


def line(page: Page, name: str) -> Locator:
    return page.locator("tr.layer").filter(has=page.get_by_text(name, exact=True))


def cell(page: Page, name: str, column: str = "Prune %") -> Locator:
    return page.get_by_role("textbox", name=f"{column}: {name}")


def names(page: Page) -> list[str]:
    return page.locator("tr.layer:visible .title").all_inner_texts()


def test_click_on_a_row_selects_it_at_once_and_is_told_once(page: Page) -> None:
    receive(page)
    line(page, "conv1").locator(".size").click()
    line(page, "conv1").locator(".title").click()
    expect(line(page, "conv1")).to_have_attribute("aria-selected", "true")
    expect(page.locator("[aria-selected=true]")).to_have_count(1)
    assert told(page) == [("conv1", "name", None)]
    receive(page, chosen="fc10")
    expect(line(page, "conv1")).to_have_attribute("aria-selected", "true")
    receive(page, chosen="fc2", acknowledged=page.evaluate("told[0][0].serial"))
    expect(line(page, "fc2")).to_have_attribute("aria-selected", "true")


def test_keyboard_alone_searches_walks_selects_locks_and_types(page: Page) -> None:
    receive(page)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert told(page) == [("fc2", "name", None)]
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("90")
    page.keyboard.press("Enter")
    assert told(page)[1:] == [("fc2", "lock", True), ("fc2", "prune", "90")]
    page.keyboard.press("ArrowDown")
    expect(cell(page, "conv1")).to_be_focused()


def test_only_one_row_stands_in_the_way_of_tab(page: Page) -> None:
    receive(page)
    stops = page.locator("tbody [tabindex='0']")
    expect(stops).to_have_count(5)
    page.keyboard.press("Tab")
    for _heading in range(7):
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(line(page, "fc10")).to_be_focused()


def test_headings_sort_and_the_box_searches_without_telling_the_server(page: Page) -> None:
    receive(page)
    for heading, once, twice in (
        ("Layer", ["conv1", "fc2", "fc10"], ["fc10", "fc2", "conv1"]),
        ("Bytes", ["fc2", "fc10", "conv1"], ["conv1", "fc10", "fc2"]),
        ("Output error", ["conv1", "fc10", "fc2"], ["fc10", "conv1", "fc2"]),
    ):
        for wanted in (once, twice, ["fc10", "fc2", "conv1"]):
            page.get_by_role("button", name=heading, exact=True).click()
            assert names(page) == wanted
    page.get_by_role("searchbox").fill("FC1")
    assert names(page) == ["fc10"]
    expect(page.get_by_role("status")).to_have_text("1 of 3 layers")
    page.get_by_role("searchbox").fill("nothing")
    expect(page.get_by_text("No layer is called so")).to_be_visible()
    assert told(page) == []


def test_sorted_rows_stay_under_the_hand_that_types_and_move_when_it_rests(page: Page) -> None:
    receive(page)
    page.get_by_role("button", name="Bytes").click()
    cell(page, "conv1").fill("5")
    receive(page, [row("fc10", 9), row("fc2", 1), row("conv1", 40)])
    assert names(page) == ["fc2", "fc10", "conv1"]
    expect(cell(page, "conv1")).to_have_value("5")
    cell(page, "conv1").press("Enter")
    receive(page, [row("fc10", 9), row("fc2", 1), row("conv1", 40)])
    assert names(page) == ["conv1", "fc10", "fc2"]
    expect(cell(page, "conv1")).to_be_focused()


def test_what_typing_does_besides_stands_below_the_row_at_hand_before_it_is_done(page: Page) -> None:
    shared = EditableCell("90", 90, "0", beforehand=f"3 layers share {HOSTILE} one budget.")
    receive(page, [row("fc10"), row("fc2", prune=shared), row("conv1", prune=shared)], chosen="conv1")
    told_below = page.locator("tr.told:visible")
    expect(told_below).to_have_text(f"3 layers share {HOSTILE} one budget.")
    expect(line(page, "conv1").locator("+ tr")).to_be_visible()
    expect(cell(page, "fc2")).to_have_attribute("aria-description", f"3 layers share {HOSTILE} one budget.")
    cell(page, "fc2").focus()
    expect(told_below).to_have_count(1)  # rows stay where they are between press and release
    cell(page, "fc2").fill("5")
    expect(line(page, "fc2").locator("+ tr")).to_be_visible()
    assert told(page) == []
    line(page, "fc10").locator(".title").click()
    receive(page, [row("fc10"), row("fc2", prune=shared)], "fc10", page.evaluate("told.at(-1).at(-1).serial"))
    expect(told_below).to_have_count(0)


def test_refusal_stands_below_its_row_and_goes_when_the_cell_is_typed_anew(page: Page) -> None:
    refused = EditableCell("20", 20, "0", typed="999", refusal=f"No such {HOSTILE} share.")
    receive(page, [row("fc10", prune=refused), *ROWS[1:]])
    box = cell(page, "fc10")
    expect(box).to_have_value("999")
    expect(box).to_have_attribute("aria-invalid", "true")
    described = box.get_attribute("aria-describedby")
    expect(page.locator(f"#{described}")).to_have_text(f"No such {HOSTILE} share.")
    box.fill("50")
    expect(box).to_have_attribute("aria-invalid", "false")
    expect(page.locator(f"#{described}")).to_be_hidden()
    box.press("Escape")
    expect(box).to_have_value("20")
    assert told(page) == [("fc10", "prune", "20")]


def test_what_is_told_grows_until_it_is_heard_so_that_a_run_that_was_overtaken_loses_nothing(
    page: Page,
) -> None:
    receive(page)
    for name in ("fc10", "fc2", "conv1"):
        cell(page, name).fill("7")
        cell(page, name).blur()
    edits = [entry for entry in told(page) if entry[1] == "prune"]
    assert edits == [("fc10", "prune", "7"), ("fc2", "prune", "7"), ("conv1", "prune", "7")]
    receive(page, acknowledged=page.evaluate("told.at(-1)[1].serial"))
    line(page, "fc2").locator(".title").click()
    assert told(page) == [("conv1", "prune", "7"), ("fc2", "name", None)]


def test_cell_keeps_what_was_typed_until_the_server_has_heard_of_it(page: Page) -> None:
    receive(page)
    cell(page, "fc2").fill("7")
    cell(page, "fc2").press("Enter")
    receive(page)
    expect(cell(page, "fc2")).to_have_value("7")
    set_now = [ROWS[0], row("fc2", prune=EditableCell("7.5", 7.5, "0")), ROWS[2]]
    receive(page, set_now, acknowledged=page.evaluate("told.at(-1).at(-1).serial"))
    expect(cell(page, "fc2")).to_have_value("7.5")


def test_a_server_that_is_new_is_told_again_what_the_old_one_did_not_hear(page: Page) -> None:
    receive(page)
    for name in ("fc10", "fc2"):
        cell(page, name).fill("7")
        cell(page, name).press("Enter")
    heard = page.evaluate("told.at(-1)[0].serial")
    receive(page, acknowledged=heard)
    receive(page, session="two")
    said = page.evaluate("told.at(-1)")
    assert {one["session"] for one in said} == {"two"}
    assert told(page) == [("fc2", "prune", "7"), ("fc2", "name", None)]
    before = page.evaluate("told.length")
    receive(page, session="two", acknowledged=said[-1]["serial"])
    receive(page, session="three")
    assert page.evaluate("told.length") == before, "nothing waits"


def test_a_page_that_is_loaded_anew_tells_what_waits_and_nothing_once_it_was_heard(page: Page) -> None:
    page.route("http://slimscope.test/", lambda route: route.fulfill(body="<!DOCTYPE html><body>"))

    def load() -> None:
        page.goto("http://slimscope.test/")
        page.evaluate(LOAD, module.JAVASCRIPT)

    load()
    receive(page)
    cell(page, "fc2").fill("7")
    cell(page, "fc2").blur()
    load()
    receive(page, session="two")
    assert told(page) == [("fc2", "prune", "7")]
    expect(cell(page, "fc2")).to_have_value("7")
    receive(page, session="two", acknowledged=page.evaluate("told.at(-1)[0].serial"))
    load()
    receive(page, session="three")
    assert told(page) == []


def test_only_a_cell_that_is_typed_into_keeps_its_keys_to_itself(page: Page) -> None:
    receive(page)
    expect(cell(page, "fc2")).to_have_attribute("data-handed-over", "")
    cell(page, "fc2").fill("7")
    assert cell(page, "fc2").get_attribute("data-handed-over") is None
    cell(page, "fc2").press("Enter")
    expect(cell(page, "fc2")).to_have_attribute("data-handed-over", "")


def test_names_that_a_file_brought_stay_text(page: Page) -> None:
    receive(page, [row(HOSTILE), *ROWS], chosen=HOSTILE)
    expect(page.get_by_text(HOSTILE, exact=True)).to_be_visible()
    expect(page.locator("img")).to_have_count(0)
    assert page.get_by_role("checkbox", name=f"Lock: {HOSTILE}").count() == 1


def test_every_control_has_a_name(page: Page) -> None:
    receive(page)
    for role in ("searchbox", "button", "checkbox", "textbox", "grid"):
        found = page.get_by_role(role)  # type: ignore[arg-type]
        unnamed = page.get_by_role(role, name="", exact=True)  # type: ignore[arg-type]
        assert found.count() > 0
        assert unnamed.count() == 0


def test_table_keeps_to_its_height_and_width_with_its_heading_in_sight(page: Page) -> None:
    many = [replace(ROWS[0], name=f"a.very.long.name.of.a.layer.{i}.in.a.deep.network") for i in range(60)]
    receive(page, many, chosen=many[40].name)
    box = page.locator(".layer-list").bounding_box()
    assert box is not None
    assert box["height"] <= 560
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 520
    assert page.locator(".frame").evaluate("it => it.scrollWidth <= it.clientWidth")
    expect(page.locator("[aria-selected=true]")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Bytes")).to_be_in_viewport()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(page: Page, scheme: str) -> None:
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"][scheme]
    style = {
        "--st-text-color": theme["textColor"],
        "--st-background-color": theme["backgroundColor"],
        "--st-primary-color": theme["primaryColor"],
        "--st-border-color": theme["borderColor"],
        "background": theme["backgroundColor"],
    }
    page.evaluate(
        "style => Object.entries(style).forEach(([k, v]) => document.body.style.setProperty(k, v))", style
    )
    refused = EditableCell("20", 20, "0", note="of network → 37 %", typed="999", refusal="No.")
    receive(page, [row("fc10", prune=refused), row("fc2", error=None, prune=refused), ROWS[2]])
    texts = page.locator(
        "th button, .title, .kind, .note, .number, .footnote, .count, .stale-word, "
        "input:not([type=checkbox]), .refusal td"
    )
    hear_of_a_knob(page, ("fc10", "conv1"))
    found = texts.evaluate_all(
        f"all => all.filter(e => e.offsetParent).map(e => [({CONTRAST})(e), e.outerHTML])"
    )
    assert len(found) > 20
    assert [entry for entry in found if entry[0] < 4.5] == []


def test_the_column_of_a_scan_is_there_only_where_one_was_made(page: Page) -> None:
    receive(page)
    head = page.get_by_role("columnheader", name="Sensitivity")
    assert not head.is_visible()
    scanned = FixedCell("high", 0.4, "measured", "Fewer weights at 85.5 %: 0.4 nat, N = 500.")
    receive(page, [replace(ROWS[0], sensitivity=scanned), *ROWS[1:]])
    assert head.is_visible()
    assert page.locator("td.sensitivity").all_inner_texts() == ["high", "", ""]
    head.get_by_role("button").click()
    assert page.locator("tr.layer .title").first.inner_text() == "fc10"


def test_a_link_hides_a_column_and_locks_another_until_it_is_left(page: Page) -> None:
    receive(page, hidden=("rank",), held=("bits",))
    expect(page.locator("thead th.rank")).to_be_hidden()
    expect(page.locator("td.rank").first).to_be_hidden()
    box = page.locator("td.bits input").first
    expect(box).to_have_js_property("readOnly", True)
    expect(box).to_have_attribute("aria-description", "Locked by the link")
    box.focus()
    page.keyboard.type("7")
    assert told(page) == []
    receive(page)
    expect(page.locator("thead th.rank")).to_be_visible()
    expect(box).to_have_js_property("readOnly", False)


END_OF = """title => {
    const range = document.createRange(), text = title.querySelector(".whole").lastChild;
    range.setStart(text, text.length - 1);
    range.setEnd(text, text.length);
    const [end, box] = [range, title].map(it => it.getBoundingClientRect());
    return end.left >= box.left && end.right <= box.right
        && end.top >= box.top - 1 && end.bottom <= box.bottom + 1;
}"""


@pytest.mark.parametrize("width", [520, 360])
@pytest.mark.parametrize(
    ("name", "is_cut"),
    [
        ("fc1", False),
        ("blocks.0.attention.q", False),
        ("model.encoder.layers.10.a_block.self_attention.q_proj", True),
        ("averyveryverylongnamewithoutanypointinitthatgoesonandonforever", True),
    ],
)
def test_the_end_of_a_name_is_read_and_a_front_that_is_cut_is_marked(
    page: Page, name: str, is_cut: bool, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 768})
    scanned = FixedCell("high", 0.4, "measured")
    receive(page, [replace(ROWS[0], name=name, sensitivity=scanned), *ROWS[1:]], chosen="fc2")
    title = line(page, name).locator(".title")
    assert title.inner_text() == name
    assert title.evaluate(END_OF)
    expect(title).to_have_class("title cut" if is_cut else "title")
    assert (line(page, name).locator("th").get_attribute("title") or "").startswith(name)


@pytest.mark.parametrize("hidden", [(), ("rank", "bits")])
@pytest.mark.parametrize("sensitivity", [None, FixedCell("high", 0.4, "measured")])
def test_a_refusal_below_a_row_leaves_every_column_where_it_was(
    page: Page, sensitivity: FixedCell | None, hidden: tuple[str, ...]
) -> None:
    rows = [replace(one, sensitivity=sensitivity) for one in ROWS]
    edges = "all => all.filter(it => it.offsetParent).map(it => it.getBoundingClientRect().right)"
    receive(page, rows, hidden=hidden)
    before = page.locator("thead th").evaluate_all(edges)
    refused = EditableCell("20", 20, "0", typed="12,5", refusal="No such share.")
    receive(page, [replace(rows[0], cells=rows[0].cells | {"prune": refused}), *rows[1:]], hidden=hidden)
    expect(page.get_by_text("No such share.")).to_be_visible()
    assert page.locator("thead th").evaluate_all(edges) == pytest.approx(before)
    assert page.locator(".told:visible td").evaluate_all(edges) == pytest.approx(before[-1:])


ITALIC = """all => all.filter(it => getComputedStyle(it).fontStyle === "italic")
    .map(it => it.value ?? it.textContent)"""


def test_what_became_of_a_cell_is_said_to_those_who_do_not_see_its_note(page: Page) -> None:
    rounded = EditableCell("", 0, "0", note="10.8 % zeros", title="10.8 % rounded to zero.")
    receive(page, [row("fc10", prune=rounded), *ROWS[1:]])
    expect(cell(page, "fc10")).to_have_attribute("aria-description", "10.8 % rounded to zero.")


def in_italics(page: Page, name: str) -> list[str]:
    found = line(page, name).locator(".number, input[type=text], .note").evaluate_all(ITALIC)
    return [str(text) for text in found if text]


def test_a_row_is_stale_from_the_movement_of_its_knob_until_it_is_drawn_of_another_recipe(page: Page) -> None:
    pruned = row("fc2", prune=EditableCell("90", 90, "0"), bits=EditableCell("4", 4, "32"))
    rows = [ROWS[0], replace(pruned, sensitivity=FixedCell("high", 0.4, "measured")), ROWS[2]]
    receive(page, rows)
    before = page.locator("tbody").bounding_box()
    hear_of_a_knob(page)
    assert in_italics(page, "fc2") == ["90", "4 B", "0.0 %"], "its bits and what a scan says are as they were"
    expect(line(page, "fc2").get_by_text("stale")).to_be_visible()
    expect(page.locator("tr.stale")).to_have_count(1)
    assert page.locator("tbody").bounding_box() == before, "nothing moves"
    receive(page, rows)
    expect(page.locator("tr.stale")).to_have_count(1)
    receive(page, rows, recipe="after")
    expect(page.locator("tr.stale")).to_have_count(0)
    hear_of_a_knob(page, isMoved=False)
    expect(page.locator("tr.stale")).to_have_count(0)


def test_every_row_that_a_shared_knob_moves_is_stale_until_the_knob_is_given_back(page: Page) -> None:
    receive(page)
    hear_of_a_knob(page, ("fc2", "conv1"))
    expect(page.locator("tr.stale")).to_have_count(2)
    hear_of_a_knob(page, ("fc2", "conv1"), isElsewhere=False, isMoved=False)
    expect(page.locator("tr.stale")).to_have_count(0)


def test_a_knob_that_is_answered_before_the_rows_are_drawn_leaves_its_row_stale(page: Page) -> None:
    receive(page)
    hear_of_a_knob(page)
    hear_of_a_knob(page, isElsewhere=False, isMoved=False, recipe="after")
    expect(page.locator("tr.stale")).to_have_count(1)
    receive(page, recipe="after")
    expect(page.locator("tr.stale")).to_have_count(0)


def test_a_knob_that_moved_on_from_the_recipe_that_is_drawn_leaves_its_row_stale(page: Page) -> None:
    receive(page)
    hear_of_a_knob(page, recipe="after")
    receive(page, recipe="after")
    expect(page.locator("tr.stale")).to_have_count(1)
    receive(page, recipe="last")
    expect(page.locator("tr.stale")).to_have_count(0)


def test_a_row_whose_knob_was_moved_twice_is_stale_until_the_knob_is_answered(page: Page) -> None:
    receive(page)
    hear_of_a_knob(page, isTwice=True)
    receive(page, recipe="after")
    receive(page, recipe="last")
    expect(page.locator("tr.stale")).to_have_count(1)
    hear_of_a_knob(page, isElsewhere=False, isMoved=False, recipe="last")
    expect(page.locator("tr.stale")).to_have_count(0)


def test_a_row_whose_knob_was_moved_twice_and_is_answered_is_stale_until_it_is_drawn(page: Page) -> None:
    receive(page)
    hear_of_a_knob(page, isTwice=True)
    hear_of_a_knob(page, isElsewhere=False, isMoved=False, recipe="last")
    expect(page.locator("tr.stale")).to_have_count(1)
    receive(page, recipe="last")
    expect(page.locator("tr.stale")).to_have_count(0)


def test_a_slider_that_leaves_the_page_takes_its_marks_along(page: Page) -> None:
    receive(page)
    hear_of_a_knob(page, isTwice=True)
    receive(page, recipe="after")
    hear_of_a_knob(page, isElsewhere=False, isMoved=False, isGone=True)
    expect(page.locator("tr.stale")).to_have_count(0)


def test_a_row_of_a_group_is_stale_while_its_cells_are_what_they_were(page: Page) -> None:
    receive(page, [ROWS[0], row("fc2", prune=EditableCell("90", 90, "0"), bits=EditableCell("4", 4, "32"))])
    hear_of_a_knob(page, column="groups")
    assert in_italics(page, "fc2") == ["4 B", "0.0 %"]
