"""The layer table of Tune: what it shows, what its messages do, and where a refusal stands."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from compress_core.apply.run import model_of
from compress_core.measure.cost.cost import layer_costs
from compress_core.measure.tables.output_errors import output_errors
from compress_core.recipe.values import Step
from dashboard import engine
from dashboard.layer_list.layer_list import Chosen, Locked, Typed, unheard
from dashboard.layer_list.layer_row import FixedCell, LayerRow
from dashboard.page_manners import UNDO
from dashboard.state import KEY
from dashboard.tune import prune_knob
from tests.layer_rows import HERE, choose, enter, message, row_of, say, table_of
from tests.subjects import loaded_sample
from tests.test_pages import assert_fine, opened, recipe_of

pytestmark = pytest.mark.usefixtures("few_items")

LAYERS = frozenset({"conv1", "fc1"})
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "serial": st.sampled_from(["a", "b"]) | ANYTHING,
        "session": st.just(HERE) | ANYTHING,
        "layer": st.sampled_from(["fc1", "fc9"]) | ANYTHING,
        "column": st.sampled_from(["name", "lock", "prune", "rank", "size"]) | ANYTHING,
        "value": st.sampled_from([True, "9", "9" * 99]) | ANYTHING,
    },
)


@given(st.fixed_dictionaries({"said": st.lists(FIELDS, max_size=4)}) | ANYTHING, ANYTHING)
def test_whatever_a_browser_sends_only_what_can_be_done_to_a_layer_is_heard(
    state: object, heard: object
) -> None:
    for serial, said in unheard(state, LAYERS, heard, HERE):
        assert said.layer in LAYERS
        assert len(serial) <= 64
        match said:
            case Typed(_, column, text):
                assert column in {"prune", "rank", "bits"}
                assert len(text) <= 40
            case Locked(_, is_locked):
                assert isinstance(is_locked, bool)
            case Chosen():
                pass


def test_messages_are_heard_once_and_in_order_and_none_is_lost_before_it_was() -> None:
    said = [message("fc1", "prune", "5"), message("conv1", "name", None), message("fc1", "lock", True)]
    serials = [str(one["serial"]) for one in said]
    found = list(unheard({"said": said}, LAYERS, None, HERE))
    assert found == [
        (serials[0], Typed("fc1", "prune", "5")),
        (serials[1], Chosen("conv1")),
        (serials[2], Locked("fc1", is_locked=True)),
    ]
    assert list(unheard({"said": said}, LAYERS, serials[1], HERE)) == found[2:]
    assert list(unheard({"said": said}, LAYERS, None, "another session")) == []
    assert list(unheard({"said": said}, LAYERS, serials[2], HERE)) == []
    assert list(unheard({"said": said[1:]}, LAYERS, serials[0], HERE)) == found[1:]
    assert list(unheard({"said": [message("fc9", "name", None), *said[2:]]}, LAYERS, None, HERE)) == found[2:]


slow = pytest.mark.slow


def steps_of(app: AppTest, layer: str) -> list[dict[str, object]]:
    return [step.as_json() for step in recipe_of(app).by_layer.get(layer, ())]


@slow
def test_click_on_a_row_selects_the_layer_everywhere_on_the_page() -> None:
    app = choose(opened("tune", "lenet5"), "conv2")
    assert_fine(app)
    assert app.session_state[KEY].layer == "conv2" == table_of(app)["chosen"]
    assert any("conv2" in text.value for text in app.markdown)


@slow
def test_cells_set_prune_rank_and_bits_and_an_empty_one_takes_the_step_out() -> None:
    app = opened("tune", "lenet5")
    for column, typed in (("prune", " 37.5 % "), ("bits", "4"), ("rank", "30")):
        app = enter(app, "fc1", column, typed.strip())
    assert_fine(app)
    assert steps_of(app, "fc1") == [{"technique": "low_rank", "rank": 30}]
    assert steps_of(app, "fc1.1") == [
        {"technique": "magnitude", "sparsity": 0.375},
        {"technique": "uniform", "bits": 4},
    ]
    cells = row_of(app, "fc1")["cells"]
    assert [cells[column]["text"] for column in ("prune", "rank", "bits")] == ["37.5", "30", "4"]
    for column, typed in (("prune", ""), ("rank", "0"), ("bits", "32")):
        app = enter(app, "fc1", column, typed)
    assert not recipe_of(app)


@slow
def test_a_share_that_takes_all_weights_or_none_says_so_whatever_was_typed() -> None:
    app = enter(opened("tune", "lenet300"), "fc3", "prune", "99.96")
    assert row_of(app, "fc3")["cells"]["prune"]["note"] == "→\N{NO-BREAK SPACE}100.0\N{NO-BREAK SPACE}%"
    app = enter(app, "fc3", "prune", "0.0001")
    assert row_of(app, "fc3")["cells"]["prune"]["note"] == "→\N{NO-BREAK SPACE}0.0\N{NO-BREAK SPACE}%"


@slow
def test_undo_takes_back_what_was_typed_just_before_it_was_pressed() -> None:
    app = enter(opened("tune", "lenet300"), "fc3", "prune", "70")
    app.button(key=UNDO).click()
    app = say(app, [message("fc3", "prune", "44")])
    assert_fine(app)
    assert row_of(app, "fc3")["cells"]["prune"]["text"] == "70"
    assert len(app.session_state[KEY].past) == 1


@slow
def test_many_messages_at_once_are_all_done() -> None:
    app = opened("tune", "lenet5")
    app = say(
        app, [message("conv1", "prune", "50"), message("fc1", "bits", "3"), message("fc2", "name", None)]
    )
    assert_fine(app)
    assert recipe_of(app).by_layer.keys() == {"conv1", "fc1"}
    assert app.session_state[KEY].layer == "fc2"


REFUSED = [
    ("rank", "501", "rank 500 at most"),
    ("rank", "-1", "whole number"),
    ("rank", "2.5", "whole number"),
    ("bits", "9", "less than or equal to 8"),
    ("bits", "NaN", "whole number"),
    ("prune", "101", "from 0 to 100"),
    ("prune", "half", "from 0 to 100"),
    ("prune", "1,5", "from 0 to 100"),
    ("prune", "inf", "from 0 to 100"),
    ("prune", "0.00001", "would be 0 %"),
    ("prune", ".00004 %", "would be 0 %"),
    ("prune", "99.99999999", "would be 100 %"),
]


@slow
def test_what_cannot_be_done_stays_in_its_cell_with_the_sentence_until_it_is_typed_anew() -> None:
    app = opened("tune", "lenet5")
    for column, typed, says in REFUSED:
        app = enter(app, "fc1", column, typed)
        assert_fine(app)
        cell = row_of(app, "fc1")["cells"][column]
        assert cell["typed"] == typed
        assert says in cell["refusal"]
        assert not recipe_of(app)
        assert not app.warning, "it stands in the cell, not on top of the page"
    app = enter(app, "fc1", "rank", "")
    assert [bool(cell["refusal"]) for cell in row_of(app, "fc1")["cells"].values()] == [True, False, True]
    app = enter(app, "conv1", "prune", "50")
    assert not any(cell["refusal"] for cell in row_of(app, "fc1")["cells"].values()), "another recipe now"


@slow
def test_locked_layer_refuses_what_is_typed_and_says_so_until_the_tick_is_out() -> None:
    app = enter(opened("tune", "lenet5"), "fc1", "lock", True)
    assert app.session_state[KEY].locked == {"fc1"}
    app = enter(app, "fc1", "prune", "50")
    assert "fc1 is locked" in row_of(app, "fc1")["cells"]["prune"]["refusal"]
    assert not recipe_of(app)
    app = enter(app, "fc1", "lock", False)
    assert not row_of(app, "fc1")["cells"]["prune"]["refusal"]
    assert not app.session_state[KEY].locked


@slow
def test_technique_that_refuses_and_one_without_such_a_number_say_so_in_the_cell_and_stay() -> None:
    recipe = [
        ["conv2", [{"technique": "tucker", "rank_in": 5, "rank_out": 5}]],
        ["fc1", [{"technique": "magnitude", "pattern": "2:4"}]],
        ["fc2", [{"technique": "threshold", "share": 0.1}]],
    ]
    app = opened("tune", "lenet5", recipe)
    before = recipe_of(app)
    for layer, column, says in (
        ("conv2", "rank", "no such number"),
        ("fc1", "prune", "fixes the sparsity"),
        ("fc2", "prune", "no such number"),
    ):
        app = enter(app, layer, column, "40")
        assert says in row_of(app, layer)["cells"][column]["refusal"]
    assert recipe_of(app) == before


@slow
def test_layer_in_a_block_that_is_left_out_has_nothing_to_set() -> None:
    app = opened("tune", "resnet", {"groups": [["layer2", [{"technique": "drop_block"}]]], "layers": []})
    app = enter(app, "layer2.conv1", "bits", "4")
    assert_fine(app)
    row = row_of(app, "layer2.conv1")
    assert "left out" in row["cells"]["bits"]["refusal"]
    assert row["error"]["kind"] == "missing"
    assert not recipe_of(app).layers


@slow
@pytest.mark.parametrize("said", [None, 7, "fc1", [[]], [{"layer": "fc1"}], {"said": 1}, [None, True]])
def test_page_stands_whatever_a_browser_sends(said: object) -> None:
    app = say(opened("tune", "lenet300"), said)
    assert_fine(app)
    assert not recipe_of(app)


SHARES = [
    ({"technique": "magnitude", "sparsity": 0.9}, "90"),
    ({"technique": "random_pruning", "sparsity": 0.123456}, "12.3456"),
    ({"technique": "sparsegpt"}, "50"),
    ({"technique": "sparsegpt", "sparsity": 0.3}, "30"),
    ({"technique": "sparsegpt", "pattern": "1:4"}, "75"),
    ({"technique": "wanda", "pattern": "2:4"}, "50"),
    ({"technique": "taylor"}, "50"),
    ({"technique": "threshold", "share": 0.1}, ""),
]


@slow
def test_prune_cell_shows_the_share_that_the_recipe_says_for_every_criterion() -> None:
    for step, shown in SHARES:
        cell = row_of(opened("tune", "lenet300", [["fc1", [step]]]), "fc1")["cells"]["prune"]
        assert cell["text"] == shown, step


@slow
def test_share_of_the_network_stands_beside_the_zeros_that_the_layer_has() -> None:
    step = Step.of("magnitude", sparsity=0.9, scope="network").as_json()
    app = opened("tune", "lenet5", [[name, [step]] for name in ("conv1", "conv2", "fc1", "fc2")])
    model = model_of(loaded_sample("lenet5"), app.session_state[KEY].lineage, engine.store())
    for cost in layer_costs(model, engine.store()):
        cell = row_of(app, cost.layer.name)["cells"]["prune"]
        assert cell["text"] == "90"
        assert (
            cell["note"].replace("\xa0", " ") == f"of network → {100 * cost.zeros.total / cost.weights:.1f} %"
        )


BUDGETS = [
    ({"technique": "magnitude", "sparsity": 0.9, "scope": "network"}, frozenset()),
    ({"technique": "random_pruning", "sparsity": 0.3, "scope": "erk"}, frozenset()),
    ({"technique": "taylor", "sparsity": 0.4, "scope": "network"}, frozenset({"fc1"})),
]


@slow
@pytest.mark.parametrize(("step", "locked"), BUDGETS)
def test_cell_of_a_shared_budget_says_beforehand_what_it_does_in_the_words_of_the_slider(
    step: dict[str, object], locked: frozenset[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(prune_knob, "live_slider", lambda *_, help, **__: said.append(help))  # noqa: A006
    app = opened("tune", "lenet300", [[name, [step]] for name in ("fc1", "fc2")])
    for name in sorted(locked):
        app = enter(app, name, "lock", True)
    told = [row_of(app, name)["cells"]["prune"]["beforehand"] for name in ("fc1", "fc2", "fc3")]
    assert told[0] == said[-1]
    assert told[1] == told[0].replace("only fc1", "only fc2")
    assert told[0].startswith("2 layers share one budget")
    assert ("fc1 shares this budget and is locked" in told[0]) == bool(locked)
    assert told[2] == ""
    app = enter(app, "fc2", "prune", "20")
    assert [steps_of(app, name)[0]["sparsity"] for name in ("fc1", "fc2")] == (
        [step["sparsity"]] * 2 if locked else [0.2, 0.2]
    )


@slow
def test_zeros_that_a_quantizer_makes_are_told_beside_the_share() -> None:
    steps = [{"technique": "magnitude", "sparsity": 0.5}, {"technique": "uniform", "bits": 2}]
    cell = row_of(opened("tune", "lenet300", [["fc1", steps]]), "fc1")["cells"]["prune"]
    assert cell["text"] == "50"
    assert cell["note"].startswith("→")
    assert "50.0 % pruned" in cell["title"]


@slow
def test_zeros_that_nobody_asked_for_are_called_zeros() -> None:
    cell = row_of(opened("tune", "lenet300", [["fc1", [{"technique": "uniform", "bits": 2}]]]), "fc1")
    told = cell["cells"]["prune"]
    assert told["text"] == ""
    assert re.fullmatch(r"[\d.]+\xa0% zeros", told["note"])
    assert "0.0 % pruned" in told["title"]


@slow
@pytest.mark.usefixtures("all_items")
def test_error_of_the_output_stands_in_the_row_as_measured_with_its_items(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "AT_ONCE_S", 300.0)
    app = opened("tune", "lenet5", [["fc1", [{"technique": "uniform", "bits": 2}]]])
    model = model_of(loaded_sample("lenet5"), app.session_state[KEY].lineage, engine.store())
    share = output_errors(model, engine.store())["fc1"].value
    assert share is not None
    error = row_of(app, "fc1")["error"]
    assert (error["kind"], error["order"], error["text"]) == ("measured", share, f"{100 * share:.3g} %")
    assert "N = 512" in error["title"]
    assert row_of(app, "conv1")["error"]["kind"] == "exact"


def test_name_that_hides_signs_is_shown_by_them_and_heard_as_it_is() -> None:
    odd = "fc\u202e1"
    fixed = FixedCell("", None)
    row = LayerRow(odd, "linear", "3x4", False, {}, fixed, (1, 1), fixed).as_json()
    assert (row["id"], row["name"]) == (odd, "fc\\u202e1")
    assert [said for _, said in unheard({"said": [message(odd, "name", None)]}, {odd}, None, HERE)] == [
        Chosen(odd)
    ]
