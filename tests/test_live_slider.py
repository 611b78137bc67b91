"""The slider that moves readouts during the drag: what it sends, what it believes, how it behaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import ConsoleMessage, Error, Locator, Page, expect

from dashboard.live_slider import live_slider as module
from dashboard.live_slider.live_table import Histogram, LiveTable, MeasuredHere, Moves, Readout, Reference
from tests.one_tab import as_new
from tests.served import Serving

pytestmark = pytest.mark.xdist_group("live_slider")  # one server and one browser for all of them
TENTHS = np.arange(0, 11) / 10

APP = """
import numpy as np
import streamlit as st

from dashboard.live_slider.live_slider import live_slider
from dashboard.live_slider.live_table import Histogram, LiveTable, Readout

state = st.session_state
state.runs = state.get("runs", 0) + 1
state.setdefault("sparsity", 0.5)
state.setdefault("bits", 4.0)


def keep(value):
    state.bits = value


if st.button("Start over"):
    state.runs, state.sparsity, state.bits = 1, 0.5, 4.0
if st.button("Undo"):
    state.sparsity = 0.2
if st.button("Rerun"):
    pass
shares = np.arange(0, 101) / 100
table = LiveTable(
    shares,
    (
        Readout("<img src=x onerror=alert(1)>", "%", 100 * shares, digits=0),
        Readout("Weights left", "", np.rint(1000 * (1 - shares)), digits=0, note="of 1,000"),
        Readout("Accuracy", "%", 99 - 50 * shares**8, "estimated"),
        Readout("Accuracy", "%", np.where(shares == 0.5, 98.8, np.nan), "measured"),
    ),
)
histogram = Histogram(
    np.linspace(-1, 1, 41),
    np.r_[1:21, 20:0:-1],
    "Histogram of the weights",
    [np.array([-share, share]) for share in shares],
    removed=np.stack([-shares, shares], 1),
    caption="Weights",
)
state.sparsity = live_slider(
    "Sparsity", table, value=state.sparsity, key="sparsity_knob", unit="%", factor=100, histogram=histogram,
    text_of=lambda share: f"{100 * share:.0f} % of the weights removed", help="Smallest first.",
)
bits = LiveTable(np.arange(2.0, 9.0), (Readout("Levels", "", 2.0 ** np.arange(2, 9) - 1, digits=0),))
live_slider("Bits", bits, value=state.bits, key="bits_knob", unit="bit", on_change=keep)
ranks = np.array([1.0, 10.0, 100.0])
live_slider("Rank", LiveTable(ranks), value=10.0, key="rank_knob", disabled=True)
parameters = LiveTable(ranks, (Readout("Parameters", "", 1300 * ranks, digits=0),))
live_slider("Free rank", parameters, value=state.get("rank", 37.0), key="free_rank_knob", step=1)
st.text(f"runs={state.runs} sparsity={state.sparsity:.3f} bits={state.bits:g}")
"""


# What a held arrow key does, without waiting for a busy machine between the steps.
THREE_STEPS = """knob => {
    for (let step = 0; step < 3; step += 1) {
        knob.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
        knob.stepUp();
        knob.dispatchEvent(new Event("input"));
        knob.dispatchEvent(new Event("change"));
    }
}"""


LOAD = """async (source) => {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const { default: mount } = await import(address);
    window.commits = [];
    const places = new Map([["knob", document.body]]);
    const setStateValue = (_, commit) => window.commits.push(commit);
    window.receive = (data) => {
        const place = document.createElement("div");
        if (!places.has(data.id)) places.set(data.id, document.body.appendChild(place));
        mount({ parentElement: places.get(data.id), data, setStateValue });
    };
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    app = tmp_path_factory.mktemp("live_slider") / "app.py"
    app.write_text(APP, encoding="utf-8")
    serving = Serving(None, app)
    with serving.running():
        yield serving.address


@pytest.fixture(scope="module")
def opened(server: str, shared_tab: Page) -> Iterator[tuple[Page, list[str]]]:
    """The app, open once for all tests of this file, and what the console complained about."""
    complaints = list[str]()

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    def note_fault(error: Error) -> None:
        complaints.append(str(error))

    with as_new(shared_tab, 900, 1000) as page:
        page.on("console", note)
        page.on("pageerror", note_fault)
        page.goto(server)
        expect(sparsity(page)).to_be_visible()
        yield page, complaints
        page.remove_listener("console", note)
        page.remove_listener("pageerror", note_fault)


@pytest.fixture
def page(opened: tuple[Page, list[str]]) -> Iterator[Page]:
    """The app in its first state: sparsity 50 %, 4 bits, one run."""
    page, complaints = opened
    page.get_by_role("button", name="Start over").click()
    assert_state(page, runs=1, sparsity=0.5)
    expect(sparsity(page)).to_have_value("50")
    yield page
    assert complaints == []


def sparsity(page: Page) -> Locator:
    return page.get_by_role("slider", name="Sparsity")


def readout(page: Page, label: str) -> Locator:
    return page.locator(".readout", has_text=label).locator(".number").first


def assert_state(page: Page, runs: int, sparsity: float, bits: float = 4) -> None:
    expect(page.get_by_text("runs=")).to_have_text(f"runs={runs} sparsity={sparsity:.3f} bits={bits:g}")


def hold(page: Page, share: float) -> None:
    """Press on the knob of Sparsity and drag it to a share of its way; the button stays down."""
    box = sparsity(page).bounding_box()
    assert box is not None
    middle, way = box["y"] + box["height"] / 2, box["width"] - 20
    page.mouse.move(box["x"] + 10 + 0.5 * way, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 10 + share * way, middle, steps=8)


def test_a_readout_writes_one_text_for_each_row_and_says_what_was_not_measured() -> None:
    written = Readout("Error", "dB", np.array([-1234.56, -0.01, np.nan]), digits=1).as_json("not measured")
    assert written["texts"] == ["\N{MINUS SIGN}1,234.6", "0.0", "not measured"]
    assert written["curve"] == [0, 1000, None]


def test_a_constant_readout_has_a_flat_curve_in_the_middle() -> None:
    assert Readout("Rank", "", np.full(3, 7)).as_json("-")["curve"] == [500, 500, 500]


def test_the_plot_places_bars_lines_and_region_on_its_axis() -> None:
    marks = [np.array([-1.0, 1.0]), np.array([0.0, np.nan])]
    removed = np.array([[-1.0, 1.0], [0.0, 9.0]])
    plot = Histogram(
        np.array([-1.0, 0, 1]), np.array([5, 10]), "alt", marks, removed, (Reference("even", 0.5),)
    )
    written = plot.as_json()
    assert written["edges"] == [0, 5000, 10000]
    assert written["heights"] == [500, 1000]
    assert written["marks"] == [[0, 10000], [5000]]
    assert written["removed"] == [[0, 10000], [5000, 10000]]
    assert written["references"] == [[7500, "even"]]
    assert [5000, "0.0"] in np.asarray(written["ticks"], object).tolist()


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_every_axis_has_two_to_nine_ticks_inside(low: float, span: float) -> None:
    ticks = Histogram(np.array([low, low + span]), np.array([1]), "", [np.array([])]).as_json()["ticks"]
    assert isinstance(ticks, list)
    assert 2 <= len(ticks) <= 9
    assert all(0 <= at <= 10_000 for at, _text in ticks)


def test_a_full_slider_stays_under_60_kilobytes() -> None:
    generator = np.random.default_rng(0)
    shares = np.arange(100) / 100
    table = LiveTable(
        shares, tuple(Readout(f"Readout {i}", "%", generator.normal(0, 1e5, 100), digits=2) for i in range(6))
    )
    levels = list(generator.uniform(-1, 1, (100, 16)))
    plot = Histogram(np.linspace(-1, 1, 121), generator.integers(0, 10**6, 120), "alt", levels)
    written = module._appearance("Sparsity", table, plot, "", "%") | module._numbers(
        module._Knob(table, None), 0.5, 100, lambda share: f"{share:.0%} of the weights removed"
    )
    assert len(json.dumps(written)) < 60_000


def test_a_value_between_the_rows_is_kept_only_where_there_is_a_step() -> None:
    table = LiveTable(np.array([1.0, 10.0, 100.0]))
    assert module._Knob(table, None).allowed(37.2) == 10.0
    assert module._Knob(table, 1).allowed(37.2) == 37.0
    assert module._Knob(table, 1).allowed(1e9) == 100.0


ANYTHING = st.none() | st.floats() | st.integers() | st.text() | st.lists(st.floats(), max_size=2)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "commit": st.fixed_dictionaries(
                {}, optional={"value": ANYTHING, "serial": ANYTHING, "session": ANYTHING}
            )
            | ANYTHING
        },
    )
    | ANYTHING
)
@pytest.mark.parametrize("step", [None, 1e-9, 0.03])
def test_whatever_a_browser_sends_the_value_is_a_place_of_the_knob(step: float | None, state: object) -> None:
    commit = module._parsed(state, module._Knob(LiveTable(TENTHS), step))
    assert commit is None or (commit.value in TENTHS if step is None else 0 <= commit.value <= 1)


@given(st.floats(width=64))
def test_every_number_a_browser_sends_is_heard_unless_it_is_not_finite(value: float) -> None:
    commit = module._parsed(
        {"commit": {"value": value, "serial": "a-1", "session": "one"}}, module._Knob(LiveTable(TENTHS), None)
    )
    assert (commit is not None) == (abs(value) < 1e300)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "0.5", None, 10**400], ids=lambda value: str(value)[:5]
)
def test_what_is_no_finite_number_is_not_heard(value: object) -> None:
    state = {"commit": {"value": value, "serial": "a-1", "session": "one"}}
    assert module._parsed(state, module._Knob(LiveTable(TENTHS), None)) is None


def test_rows_must_ascend_and_match() -> None:
    with pytest.raises(AssertionError, match="ascend"):
        LiveTable(np.array([1.0, 1.0]))
    with pytest.raises(AssertionError, match="one value for each row: Bytes"):
        LiveTable(TENTHS, (Readout("Bytes", "", np.zeros(3)),))


@pytest.mark.browser
def test_readouts_and_lines_follow_the_drag_and_one_run_follows_the_release(page: Page) -> None:
    assert_state(page, runs=1, sparsity=0.5)
    lines = page.locator("svg .marks").first
    before = lines.get_attribute("d")
    hold(page, 0.9)
    expect(readout(page, "Weights left")).to_have_text("100")
    expect(sparsity(page)).to_have_attribute("aria-valuetext", "90 % of the weights removed")
    assert lines.get_attribute("d") != before
    assert_state(page, runs=1, sparsity=0.5)
    page.mouse.up()
    assert_state(page, runs=2, sparsity=0.9)


@pytest.mark.browser
def test_estimates_look_different_and_what_was_not_measured_says_so(page: Page) -> None:
    estimated = page.locator(".readout.estimated")
    expect(estimated).to_have_class("readout estimated about")
    assert estimated.locator(".number").evaluate("it => getComputedStyle(it).fontStyle") == "italic"
    measured = page.locator(".readout.measured .number")
    expect(measured).to_have_text("98.8 %")
    sparsity(page).press("ArrowRight")
    expect(measured).to_have_text("not measured")
    assert_state(page, runs=2, sparsity=0.51)


@pytest.mark.browser
def test_between_two_rows_the_neighbors_number_is_marked_as_an_estimate(page: Page) -> None:
    expect(page.get_by_role("spinbutton", name="Free rank")).to_have_value("37")
    tile = page.locator(".readout", has_text="Parameters")
    expect(tile).to_have_class("readout exact about")
    expect(tile.locator(".number")).to_have_text("13,000")
    expect(page.locator(".legend").last).to_have_text("exactestimated")


@pytest.mark.browser
def test_keys_move_the_knob_and_a_burst_of_them_is_one_commit(page: Page) -> None:
    sparsity(page).evaluate(THREE_STEPS)
    expect(readout(page, "Weights left")).to_have_text("470")
    assert_state(page, runs=2, sparsity=0.53)
    sparsity(page).press("PageDown")
    assert_state(page, runs=3, sparsity=0.43)
    sparsity(page).press("End")
    assert_state(page, runs=4, sparsity=1.0)
    sparsity(page).press("Home")
    assert_state(page, runs=5, sparsity=0.0)


@pytest.fixture
def alone(standing_tab: Page) -> Page:
    """The component without Streamlit, and with a clock that stands: window.receive, window.commits."""
    standing_tab.evaluate(LOAD, module.JAVASCRIPT)
    return standing_tab


def receive(
    page: Page,
    value: float,
    acknowledged: str | None,
    session: str = "one",
    readouts: tuple[Readout, ...] = (),
    moves: Moves | None = None,
    knob: str = "knob",
) -> None:
    """What the server sends when it draws the slider, or another one below it."""
    table = LiveTable(TENTHS, readouts)
    numbers = module._numbers(module._Knob(table, None), value, 1, str)
    contents = module._appearance("Sparsity", table, None, "", "") | numbers
    contents |= {"id": knob, "disabled": False, "acknowledged": acknowledged, "session": session}
    contents["moves"] = None if moves is None else vars(moves)
    page.evaluate("receive", contents)


@pytest.mark.browser
def test_keys_are_told_when_they_rest_for_150_ms(alone: Page) -> None:
    receive(alone, 0.5, None)
    sparsity(alone).evaluate(THREE_STEPS)
    alone.clock.run_for(149)
    assert alone.evaluate("commits.length") == 0
    alone.clock.run_for(2)
    assert alone.evaluate("commits.map((commit) => commit.value)") == [0.8]


@pytest.mark.browser
def test_an_answer_to_something_older_does_not_pull_the_knob_back(alone: Page) -> None:
    receive(alone, 0.5, None)
    sparsity(alone).evaluate(THREE_STEPS)
    receive(alone, 0.5, None)
    assert sparsity(alone).input_value() == "8"
    alone.clock.run_for(151)
    receive(alone, 0.5, None)
    assert sparsity(alone).input_value() == "8"
    receive(alone, 0.2, alone.evaluate("commits[0].serial"))
    assert sparsity(alone).input_value() == "2"


@pytest.mark.browser
def test_a_new_server_is_told_again_what_the_old_one_did_not_answer_and_nothing_else(alone: Page) -> None:
    receive(alone, 0.5, None)
    sparsity(alone).press("End")
    alone.clock.run_for(151)
    receive(alone, 1.0, alone.evaluate("commits[0].serial"))
    receive(alone, 0.5, None, "two")
    assert sparsity(alone).input_value() == "5"
    sparsity(alone).press("Home")
    alone.clock.run_for(151)
    receive(alone, 0.5, None, "three")
    receive(alone, 0.5, None, "three")
    assert sparsity(alone).input_value() == "0"
    told = alone.evaluate("commits.map((commit) => [commit.value, commit.session])")
    assert told == [[1.0, "one"], [0.0, "two"], [0.0, "three"]]
    receive(alone, 0.0, alone.evaluate("commits[2].serial"), "three")
    receive(alone, 0.2, None, "four")
    assert sparsity(alone).input_value() == "2"
    assert alone.evaluate("commits.length") == 3


@pytest.mark.browser
def test_a_value_from_the_server_moves_the_knob_and_is_not_undone_by_the_next_run(page: Page) -> None:
    sparsity(page).press("End")
    assert_state(page, runs=2, sparsity=1.0)
    page.get_by_role("button", name="Undo").click()
    assert_state(page, runs=3, sparsity=0.2)
    expect(sparsity(page)).to_have_value("20")
    expect(page.get_by_role("spinbutton", name="Sparsity")).to_have_value("20")
    page.get_by_role("button", name="Rerun").click()
    assert_state(page, runs=4, sparsity=0.2)
    expect(readout(page, "Weights left")).to_have_text("800")


@pytest.mark.browser
def test_the_number_box_takes_an_exact_value_and_escape_takes_it_back(page: Page) -> None:
    box = page.get_by_role("spinbutton", name="Sparsity")
    box.fill("77")
    expect(readout(page, "Weights left")).to_have_text("230")
    box.press("Escape")
    expect(box).to_have_value("50")
    box.fill("88")
    box.press("Enter")
    assert_state(page, runs=2, sparsity=0.88)


@pytest.mark.browser
def test_a_click_selects_the_number_and_one_that_lies_outside_is_refused_beside_it(page: Page) -> None:
    box, refusal = page.get_by_role("spinbutton", name="Sparsity"), page.get_by_role("alert").first
    box.click()
    page.keyboard.type("90")
    expect(box).to_have_value("90")
    page.keyboard.type("0")
    expect(refusal).to_have_text("900 is not between 0 and 100.")
    box.press("Enter")
    box.press("Tab")
    expect(box).to_have_value("900")
    expect(sparsity(page)).to_have_value("50")
    box.fill("-1")
    expect(refusal).to_have_text("-1 is not between 0 and 100.")
    box.fill("90")
    expect(refusal).to_be_hidden()
    box.press("Enter")
    assert_state(page, runs=2, sparsity=0.9)


@pytest.mark.browser
def test_another_value_of_the_server_takes_the_refused_number_away(alone: Page) -> None:
    receive(alone, 0.5, None)
    box = alone.get_by_role("spinbutton", name="Sparsity")
    box.fill("7")
    box.blur()
    receive(alone, 0.5, None)
    assert box.input_value() == "7"
    receive(alone, 0.2, None)
    assert box.input_value() == "0.2"
    assert alone.get_by_role("alert").is_hidden()


ELSEWHERE = "() => document.documentElement.hasAttribute('data-knob-elsewhere')"


@pytest.mark.browser
def test_the_page_is_marked_from_the_first_movement_until_the_drag_is_given_up(page: Page) -> None:
    assert not page.evaluate(ELSEWHERE)
    hold(page, 0.9)
    assert page.evaluate(ELSEWHERE)
    page.keyboard.press("Escape")
    expect(sparsity(page)).to_have_value("50")
    assert not page.evaluate(ELSEWHERE)
    page.mouse.move(300, 300, steps=3)
    page.mouse.up()
    expect(sparsity(page)).to_have_value("50")
    assert not page.evaluate(ELSEWHERE)
    assert_state(page, runs=1, sparsity=0.5)


@pytest.mark.browser
def test_the_page_is_marked_until_the_server_has_answered(alone: Page) -> None:
    receive(alone, 0.5, None)
    sparsity(alone).press("End")
    alone.clock.run_for(151)
    assert alone.evaluate(ELSEWHERE)
    word = "getComputedStyle(document.documentElement).getPropertyValue('--word-for-stale')"
    assert "stale" in alone.evaluate(word)
    receive(alone, 1.0, alone.evaluate("commits[0].serial"))
    assert not alone.evaluate(ELSEWHERE)


@pytest.mark.browser
@pytest.mark.parametrize("value", [0.9, 0.9995, 0.99999])
def test_every_decimal_of_the_number_box_is_seen_in_a_narrow_column(alone: Page, value: float) -> None:
    knob = module._Knob(LiveTable(TENTHS), 1e-5)
    contents = module._appearance("Weights removed", knob.table, None, "Help", "%")
    contents |= module._numbers(knob, value, 100, str)
    contents |= {"id": "knob", "disabled": False, "acknowledged": None, "session": "one", "moves": None}
    alone.add_style_tag(path=Path(module.__file__).with_suffix(".css"))
    alone.evaluate("document.body.style.width = '204px'")
    alone.evaluate("receive", contents)
    box = alone.get_by_role("spinbutton", name="Weights removed")
    expect(box).to_have_value(f"{100 * value:g}")
    assert box.evaluate(SHOWN_WHOLE)
    box.fill("12.345")
    assert box.evaluate(SHOWN_WHOLE)
    assert alone.locator(".head").evaluate("it => it.scrollWidth <= it.clientWidth")


SHOWN_WHOLE = """box => {
    const style = getComputedStyle(box), canvas = document.createElement("canvas").getContext("2d");
    canvas.font = style.font;
    const room = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return canvas.measureText(box.value).width <= room;
}"""
TILES = (
    Readout("Levels", "", TENTHS),
    Readout("Bytes", "B", TENTHS, is_of_all=True),
)
HEAR = """([layer, column, isElsewhere, isMoved, recipe = "one"]) => {
    const moves = { layers: [layer], column, recipe };
    const detail = { id: `${column} of ${layer}`, value: 1, isElsewhere, isMoved, moves };
    document.dispatchEvent(new CustomEvent("slimscope-knob", { detail }));
}"""


def stale_tiles(page: Page) -> list[str]:
    tiles = page.locator(".readout").filter(has=page.locator(".stale-word:visible"))
    return tiles.locator("dt").all_inner_texts()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("layer", "moved", "stale"),
    [
        ("fc1", "groups", ["Levels", "Bytes"]),
        ("fc1", "rank", ["Levels", "Bytes"]),
        ("fc1", "bits", ["Bytes"]),
        ("fc2", "rank", []),
    ],
)
def test_what_depends_on_another_knob_is_stale_from_its_movement_until_another_recipe_is_drawn(
    alone: Page, layer: str, moved: str, stale: list[str]
) -> None:
    def stale_now() -> list[str]:
        return stale_tiles(alone)

    mine = Moves(("fc1",), "prune", "one")
    alone.add_style_tag(path=Path(module.__file__).with_suffix(".css"))
    receive(alone, 0.5, None, readouts=TILES, moves=mine)
    before = alone.locator(".live-slider").bounding_box()
    alone.evaluate(HEAR, [layer, moved, True, True])
    assert stale_now() == stale
    expect(alone.locator(".number.stale")).to_have_count(len(stale))
    assert alone.locator(".live-slider").bounding_box() == before, "nothing moves"
    receive(alone, 0.5, None, readouts=TILES, moves=mine)
    assert stale_now() == stale
    receive(alone, 0.5, None, readouts=TILES, moves=replace(mine, recipe="two"))
    assert stale_now() == []
    alone.evaluate(HEAR, [layer, moved, True, False])
    assert stale_now() == [], "the knob has not moved since"
    alone.evaluate(HEAR, [layer, moved, True, True, "two"])
    assert stale_now() == stale
    alone.evaluate(HEAR, [layer, moved, False, False, "two"])
    assert stale_now() == []


@pytest.mark.browser
@pytest.mark.parametrize(("moved", "stale"), [("groups", ["Levels", "Bytes"]), ("prune", [])])
def test_groups_tell_of_the_whole_network_so_that_any_of_them_makes_the_others_stale(
    alone: Page, moved: str, stale: list[str]
) -> None:
    mine = Moves(("fc1",), "groups", "one")
    receive(alone, 0.5, None, readouts=TILES, moves=mine)
    alone.evaluate(HEAR, ["fc2", moved, True, True])
    assert stale_tiles(alone) == stale
    receive(alone, 0.5, None, readouts=TILES, moves=replace(mine, recipe="two"))
    assert stale_tiles(alone) == []


@pytest.mark.browser
@pytest.mark.parametrize("recipe", ["one", "two"])
def test_an_answered_knob_leaves_a_card_stale_that_is_still_of_the_recipe_before(
    alone: Page, recipe: str
) -> None:
    mine = Moves(("fc1",), "bits", "one")
    receive(alone, 0.5, None, readouts=TILES, moves=mine)
    alone.evaluate(HEAR, ["fc1", "prune", True, True])
    alone.evaluate(HEAR, ["fc1", "prune", False, False, recipe])
    assert stale_tiles(alone) == ([] if recipe == "one" else ["Levels", "Bytes"])
    receive(alone, 0.5, None, readouts=TILES, moves=replace(mine, recipe="two"))
    assert stale_tiles(alone) == []


@pytest.mark.browser
def test_a_card_that_is_drawn_after_its_neighbor_moved_on_from_the_same_recipe_stays_stale(
    alone: Page,
) -> None:
    mine = Moves(("fc1",), "bits", "one")
    receive(alone, 0.5, None, readouts=TILES, moves=mine)
    alone.evaluate(HEAR, ["fc1", "prune", True, True, "two"])
    receive(alone, 0.5, None, readouts=TILES, moves=replace(mine, recipe="two"))
    assert stale_tiles(alone) == ["Levels", "Bytes"]
    receive(alone, 0.5, None, readouts=TILES, moves=replace(mine, recipe="three"))
    assert stale_tiles(alone) == []


BEHIND = "() => document.documentElement.hasAttribute('data-header-behind')"
NAME = """name => {
    const header = document.querySelector(".st-key-slimscope_recipe");
    header.innerHTML = name && `<strong>${name}</strong>`;
}"""
LISTEN = """() => {
    window.said = [];
    document.addEventListener("slimscope-knob", ({ detail }) => window.said.push(detail));
}"""


@pytest.fixture
def headed(alone: Page) -> Page:
    """The component below a header that names recipe one."""
    alone.evaluate(
        """() => document.body.insertAdjacentHTML("afterbegin", `<p class="st-key-slimscope_header">
            <span class="st-key-slimscope_recipe"></span></p>`)"""
    )
    alone.evaluate(NAME, "one")
    alone.evaluate(LISTEN)
    return alone


@pytest.mark.browser
def test_the_header_is_behind_from_a_movement_until_it_names_another_recipe(headed: Page) -> None:
    mine = Moves(("fc1",), "prune", "one")
    receive(headed, 0.5, None, moves=mine)
    assert not headed.evaluate(BEHIND)
    sparsity(headed).press("End")
    headed.clock.run_for(151)
    assert headed.evaluate(BEHIND)
    headed.evaluate(NAME, "")
    assert headed.evaluate(BEHIND), "it is being drawn anew"
    headed.evaluate(NAME, "two")
    assert not headed.evaluate(BEHIND)
    assert headed.evaluate(ELSEWHERE), "the slider itself has no answer yet"
    receive(headed, 0.5, None, moves=mine)
    assert not headed.evaluate(BEHIND), "it has not moved since"
    sparsity(headed).press("Home")
    assert headed.evaluate(BEHIND), "it is elsewhere again"
    headed.clock.run_for(151)
    receive(headed, 0.0, headed.evaluate("commits.at(-1).serial"), moves=mine)
    assert not headed.evaluate(BEHIND)


@pytest.mark.browser
def test_a_knob_that_moves_nothing_of_the_model_leaves_the_header_as_it_is(headed: Page) -> None:
    receive(headed, 0.5, None)
    sparsity(headed).press("End")
    assert headed.evaluate(ELSEWHERE)
    assert not headed.evaluate(BEHIND)


@pytest.mark.browser
def test_the_answer_to_one_knob_leaves_the_marks_of_another_that_was_moved_before_it(headed: Page) -> None:
    prune, bits = Moves(("fc1",), "prune", "one"), Moves(("fc1",), "bits", "one")
    receive(headed, 0.5, None, moves=prune)
    sparsity(headed).press("ArrowRight")
    headed.clock.run_for(151)
    first = headed.evaluate("commits[0].serial")
    receive(headed, 0.5, None, moves=bits, knob="second")
    sparsity(headed).last.press("ArrowRight")
    headed.clock.run_for(151)
    second = headed.evaluate("commits[1].serial")
    headed.evaluate(NAME, "two")
    assert headed.evaluate(BEHIND), "the header of the first"
    receive(headed, 0.6, first, moves=replace(prune, recipe="two"))
    assert headed.evaluate(BEHIND)
    headed.evaluate(NAME, "three")
    receive(headed, 0.6, second, moves=replace(bits, recipe="three"), knob="second")
    assert not headed.evaluate(BEHIND)


@pytest.mark.browser
def test_the_answer_to_the_first_of_two_movements_leaves_the_marks_of_the_second(headed: Page) -> None:
    mine = Moves(("fc1",), "prune", "one")
    receive(headed, 0.5, None, moves=mine)
    for _movement in range(2):
        sparsity(headed).press("ArrowRight")
        headed.clock.run_for(151)
    first, second = headed.evaluate("commits.map((commit) => commit.serial)")
    headed.evaluate(NAME, "two")
    assert headed.evaluate(BEHIND), "the header of the first"
    receive(headed, 0.6, first, moves=replace(mine, recipe="two"))
    assert headed.evaluate(BEHIND), "the slider of the first"
    said = headed.evaluate("said.at(-1)")
    assert (said["isElsewhere"], said["isMoved"], said["moves"]["recipe"]) == (True, True, "two")
    headed.evaluate(NAME, "three")
    receive(headed, 0.7, second, moves=replace(mine, recipe="three"))
    assert not headed.evaluate(BEHIND)


@pytest.mark.browser
def test_a_knob_that_is_held_while_another_recipe_is_drawn_is_elsewhere_than_that_one_too(
    headed: Page,
) -> None:
    mine = Moves(("fc1",), "prune", "one")
    receive(headed, 0.5, None, moves=mine)
    headed.get_by_role("spinbutton", name="Sparsity").fill("0.9")
    headed.evaluate(NAME, "two")
    assert not headed.evaluate(BEHIND)
    receive(headed, 0.5, None, moves=replace(mine, recipe="two"))
    assert headed.evaluate(BEHIND)
    receive(headed, 0.5, None, moves=replace(mine, recipe="two"))
    assert headed.evaluate("said.map((one) => one.isMoved)") == [False, True, True, False]


@pytest.mark.browser
@pytest.mark.parametrize("is_estimated", [True, False])
def test_what_was_measured_stands_where_the_knob_rests_and_the_estimate_elsewhere(
    alone: Page, is_estimated: bool
) -> None:
    here = MeasuredHere(-5.4, "points", note="of this recipe")
    values = -10 * TENTHS if is_estimated else np.full(11, np.nan)
    unit, estimate = ("points", "\N{MINUS SIGN}9.0 points") if is_estimated else ("", "no estimate")
    readout = Readout("Cost", unit, values, "estimated", note="guessed", missing="no estimate", here=here)
    receive(alone, 0.8, None, readouts=(readout,))
    tile = alone.locator(".readout")
    expect(tile.locator(".number")).to_have_text("\N{MINUS SIGN}5.40 points")
    expect(tile).to_have_class("readout measured")
    expect(tile).to_have_attribute("title", "of this recipe")
    expect(alone.locator(".legend")).to_have_text("measuredestimated")
    if is_estimated:
        expect(tile.locator(".dot")).to_have_attribute("style", "left: 80%; bottom: 46%;")
    sparsity(alone).press("ArrowRight")
    expect(tile.locator(".number")).to_have_text(estimate)
    expect(tile).to_have_class("readout estimated " + ("about" if is_estimated else "missing"))
    expect(tile).to_have_attribute("title", "guessed")
    sparsity(alone).press("ArrowLeft")
    expect(tile).to_have_class("readout measured")


def test_what_was_measured_lies_beside_the_curve_and_at_its_border_where_it_is_beyond() -> None:
    def height(value: float) -> object:
        readout = Readout("Cost", "", np.array([0.0, -10.0]), here=MeasuredHere(value, "points"))
        found = readout.as_json("-")["here"]
        assert isinstance(found, dict)
        return found["height"]

    assert [height(value) for value in (-4.0, 3.0, -20.0)] == [600, 1000, 0]


@pytest.fixture
def phone(server: str, phone_tab: Page) -> Iterator[Page]:
    """The app on a small screen with fingers."""
    with as_new(phone_tab, 390, 500) as page:
        page.goto(server)
        expect(sparsity(page)).to_be_visible()
        yield page


def swipe(page: Page, found: Locator, across: int, along: int) -> None:
    """A finger put down on something and moved; positive numbers are to the right and down."""
    found.scroll_into_view_if_needed()
    box = found.bounding_box()
    assert box is not None
    x, y = box["x"] + 0.7 * box["width"], box["y"] + box["height"] / 2
    fingers = page.context.new_cdp_session(page)
    for kind, share in [
        ("touchStart", 0.0),
        *(("touchMove", step / 8) for step in range(1, 9)),
        ("touchEnd", 1),
    ]:
        points = [] if kind == "touchEnd" else [{"x": x + share * across, "y": y + share * along}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


SCROLLED = "document.querySelector('.stMain').scrollTop"


@pytest.mark.browser
@pytest.mark.parametrize("start", [".plot svg", ".readouts", ".range"])
def test_a_finger_that_scrolls_the_page_moves_no_knob(phone: Page, start: str) -> None:
    before = phone.evaluate(SCROLLED)
    swipe(phone, phone.locator(start).first, 0, -120)
    phone.wait_for_function(f"before => {SCROLLED} > before", arg=before)  # what is drawn scrolls before
    swipe(phone, phone.locator(start).first, 0, 90)
    if start != ".range":
        swipe(phone, phone.locator(start).first, -150, 0)
    expect(sparsity(phone)).to_have_value("50")
    phone.get_by_role("button", name="Rerun").click()  # all that was told before is heard by then
    assert_state(phone, runs=2, sparsity=0.5)


@pytest.mark.browser
def test_a_finger_sets_by_a_tap_on_the_plot_and_by_a_drag_of_the_knob(phone: Page) -> None:
    plot = phone.locator(".plot svg").first
    box = plot.bounding_box()
    assert box is not None
    plot.tap(position={"x": 0.85 * box["width"], "y": 60})
    assert_state(phone, runs=2, sparsity=0.7)
    swipe(phone, phone.locator(".range").first, -100, 0)
    expect(phone.get_by_text("runs=")).to_contain_text("runs=3")
    expect(sparsity(phone)).not_to_have_value("70")
