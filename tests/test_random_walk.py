"""Whatever is done on Tune, in whatever order: every widget says the recipe, every readout is the model's.

Each walk does what a visitor might do: moves sliders, chooses techniques, types into the table, cuts groups,
switches preparations, takes steps back and forth, opens the link of what is seen. After each action all that
the page shows is compared with the recipe and with the model that it makes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Node

from compress_core.apply import run
from compress_core.apply.lineage import lineage_as_json, read_lineage
from compress_core.apply.model import Model
from compress_core.measure.cost.cost import layer_costs
from compress_core.network.layers.kinds import Layer
from compress_core.recipe.edit import step_for_layer
from compress_core.techniques.contract.technique import Stage, techniques
from dashboard import engine
from dashboard.figures.words import in_bytes
from dashboard.links import decoded
from dashboard.state import KEY
from dashboard.tune.steps import sparsity_of
from tests.layer_rows import choose, enter, table_of
from tests.test_pages import APP, opened

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_items")]

STEPS = 14
REFUSED = "slimscope.refused"
Walk = Callable[[AppTest, random.Random], AppTest]


def component(app: AppTest, key: str) -> Any:
    """The component that is drawn under a key, as the browser gets it; None where it is not on the page."""

    def found(node: Node) -> Any:
        proto = getattr(node, "proto", None)
        if getattr(proto, "id", "").endswith(f"-{key}") and hasattr(proto, "json"):
            return proto
        return next((p for child in getattr(node, "children", {}).values() if (p := found(child))), None)

    return found(app._tree)


def moved(app: AppTest, key: str, value: float, serial: str) -> AppTest:
    """The page after a live slider was let go."""
    states, drawn = app._tree.get_widget_states(), component(app, key)
    said = {"commit": {"value": value, "serial": serial, "session": json.loads(drawn.json)["session"]}}
    states.widgets.append(WidgetState(id=drawn.id, json_value=json.dumps(said)))
    return app._run(states)


# What a visitor does ---------------------------------------------------------------------------------------


def names(app: AppTest) -> list[str]:
    return list(model_of(app).subject.by_name)


def drag(app: AppTest, chance: random.Random) -> AppTest:
    stage = chance.choice([Stage.PRUNE, Stage.FACTOR, Stage.QUANTIZE])
    key = f"tune.{app.session_state[KEY].layer}.{stage.name}.slider"
    drawn = component(app, key)
    if drawn is None or json.loads(drawn.json)["disabled"]:
        return app
    value = chance.choice(json.loads(drawn.json)["places"])
    return moved(app, key, value, f"drag-{chance.random()}")


def technique(app: AppTest, chance: random.Random) -> AppTest:
    stage = chance.choice([Stage.PRUNE, Stage.FACTOR, Stage.QUANTIZE])
    key = f"tune.{app.session_state[KEY].layer}.{stage.name}.technique"
    cheap = {
        "magnitude",
        "random_pruning",
        "wanda",
        "uniform",
        "kmeans",
        "affine",
        "power_of_two",
        "low_rank",
    }
    there = [name for name in techniques() if name in cheap and techniques()[name].stage is stage]
    boxes = [box for box in app.selectbox if box.key == key and not box.disabled]
    return boxes[0].set_value(chance.choice(["", *there])).run() if boxes else app


def cell(app: AppTest, chance: random.Random) -> AppTest:
    layer, column = chance.choice(names(app)), chance.choice(["prune", "rank", "bits", "lock"])
    typed = {
        "prune": chance.choice(["", "0", "50", "87.5", "101", "x"]),
        "rank": chance.choice(["", "3", "9", "100000"]),
        "bits": chance.choice(["", "2", "4", "8", "9"]),
        "lock": chance.random() < 0.3,
    }
    return enter(app, layer, column, typed[column])


def select(app: AppTest, chance: random.Random) -> AppTest:
    return choose(app, chance.choice(names(app)))


def many(app: AppTest, chance: random.Random) -> AppTest:
    app = section(app, "Many layers")
    places = {"prune": [0.0, 50.0, 90.0], "bits": [2, 4, 32], "energy": [60, 100]}
    knobs = {x.key.split(".")[1]: x for x in app.select_slider if (x.key or "").startswith("rules.")}
    if not knobs:
        return app
    name = chance.choice(sorted(knobs))
    return knobs[name].set_value(chance.choice(places[name])).run()


def groups(app: AppTest, chance: random.Random) -> AppTest:
    app = section(app, "What shrinks together")
    keys = sliders_of(app, "tune.groups.")
    if not keys:
        return app
    places = json.loads(component(app, keys[0]).json)["places"]
    return moved(app, keys[0], chance.choice(places), f"group-{chance.random()}")


def sliders_of(app: AppTest, prefix: str) -> list[str]:
    """The keys of live sliders that begin so."""
    keys: list[str] = []

    def look(node: Node) -> None:
        name = getattr(getattr(node, "proto", None), "id", "")
        if f"-{prefix}" in name and hasattr(node.proto, "json") and "places" in node.proto.json:
            keys.append(prefix + name.split(f"-{prefix}", 1)[1])
        for child in getattr(node, "children", {}).values():
            look(child)

    look(app._tree)
    return keys


def switch(app: AppTest, chance: random.Random) -> AppTest:
    app = section(app, "Before and after")
    switches = [x for x in app.toggle if (x.key or "").startswith("tune.whole.") and not x.disabled]
    one = chance.choice(switches)
    return one.set_value(not one.value).run()


def back_or_forth(app: AppTest, chance: random.Random) -> AppTest:
    key = chance.choice(["slimscope.undo", "slimscope.undo", "slimscope.redo"])
    button = app.button(key=key)
    if button.disabled:
        return app
    view = app.session_state[KEY]
    wanted = view.past[-1] if key.endswith("undo") else view.future[0]
    app = button.click().run()
    assert app.session_state[KEY].lineage == wanted
    return app


def linked(app: AppTest, _chance: random.Random) -> AppTest:
    """The page that somebody else sees who opens the link of this one."""
    other = AppTest.from_file(APP, default_timeout=90)
    for name, values in app.query_params.items():
        other.query_params[name] = values
    other.run()
    other = other.switch_page("pages/tune.py").run()
    assert other.session_state[KEY].recipe == app.session_state[KEY].recipe
    assert other.session_state[KEY].layer == app.session_state[KEY].layer
    assert_says_what_is_so(other)
    return app


def reset(app: AppTest, chance: random.Random) -> AppTest:
    label = chance.choice(["Reset layer", "Reset layer", "Reset all"])
    return next(button for button in app.button if button.label == label).click().run()


def section(app: AppTest, title: str) -> AppTest:
    app.session_state["tune.sections"] = title
    return app.run()


ACTIONS: dict[Walk, int] = {
    drag: 6,
    technique: 4,
    cell: 4,
    select: 3,
    many: 2,
    groups: 2,
    switch: 1,
    back_or_forth: 4,
    linked: 1,
    reset: 1,
}


# What has to be so afterwards ------------------------------------------------------------------------------


def model_of(app: AppTest) -> Model:
    view = app.session_state[KEY]
    return run.model_of(engine.sample(view.model), view.lineage, engine.store())


def assert_says_what_is_so(app: AppTest) -> None:
    assert not app.exception, [e.message for e in app.exception]
    view, model = app.session_state[KEY], model_of(app)
    refused = app.session_state[REFUSED].key if REFUSED in app.session_state else None
    _assert_table(app, model)
    if view.layer in model.base.by_name:
        for stage in (Stage.PRUNE, Stage.FACTOR, Stage.QUANTIZE):
            _assert_knob(app, model, model.base.layer(view.layer), stage, refused)
    assert any(in_bytes(model.file_bytes) in said for said in _header(app)), _header(app)
    if view.lineage:
        link = app.query_params["h"]
        shown = decoded(link if isinstance(link, str) else link[0])
        assert lineage_as_json(read_lineage(shown)) == lineage_as_json(view.lineage)


def _assert_table(app: AppTest, model: Model) -> None:
    view, costs = app.session_state[KEY], {c.layer.name: c for c in layer_costs(model, engine.store())}
    shown = table_of(app)
    assert shown["chosen"] == view.layer
    assert [row["id"] for row in shown["rows"]] == names(app)
    for row in shown["rows"]:
        name, cells = row["id"], row["cells"]
        prune, rank, bits = (
            step_for_layer(view.recipe, name, stage) for stage in (Stage.PRUNE, Stage.FACTOR, Stage.QUANTIZE)
        )
        assert row["locked"] == (name in view.locked)
        assert row["size"]["text"] == in_bytes(costs[name].bytes)
        assert _number(cells["prune"]["text"]) == pytest.approx(100 * sparsity_of(prune))
        assert _number(cells["bits"]["text"]) == (getattr(bits.knobs, "bits", 0) if bits else 0)
        there = model.compressed.get(name)
        assert _number(cells["rank"]["text"]) == ((there.rank or 0) if rank and there else 0)


def _number(text: str) -> float:
    return float(text.replace(",", "").replace("%", "") or 0)


def _assert_knob(app: AppTest, model: Model, layer: Layer, stage: Stage, refused: str | None) -> None:
    view = app.session_state[KEY]
    step = step_for_layer(view.recipe, layer.name, stage)
    key = f"tune.{layer.name}.{stage.name}"
    if refused != f"{key}.technique":
        assert app.selectbox(key=f"{key}.technique").value == (step.technique if step else "")
    drawn = component(app, f"{key}.slider")
    if drawn is None or refused == f"{key}.slider":
        return
    data = json.loads(drawn.json)
    compressed = model.compressed.get(layer.name)
    match stage:
        case Stage.PRUNE:
            assert data["value"] == pytest.approx(sparsity_of(step))
        case Stage.FACTOR:
            rank = compressed.rank if step and compressed else None
            assert data["value"] == (rank or max(data["places"]))
        case Stage.QUANTIZE:
            assert data["value"] == (getattr(step.knobs, "bits", 32) if step else 32)
    _assert_bytes(model, layer, data)


def _assert_bytes(model: Model, layer: Layer, data: Any) -> None:
    """Where the knob stands on a row, its bytes are those that the layer has in the model."""
    said = next((readout for readout in data["readouts"] if readout["label"] == "Bytes"), None)
    rows = [row for row, place in enumerate(data["places"]) if abs(place - data["value"]) < 1e-9]
    if said is not None and rows:
        cost = next(c for c in layer_costs(model, engine.store()) if c.layer.name == layer.name)
        assert said["texts"][rows[0]] == in_bytes(cost.bytes), (layer.name, data["label"], data["value"])


def _header(app: AppTest) -> list[str]:
    """All that stands on buttons and popovers of the page."""

    def labels(node: Node) -> list[str]:
        proto = getattr(node, "proto", None)
        own = [getattr(getattr(proto, "popover", None), "label", ""), getattr(proto, "label", "")]
        return [x for x in own if isinstance(x, str) and x] + [
            x for child in getattr(node, "children", {}).values() for x in labels(child)
        ]

    return labels(app._tree)


@pytest.mark.parametrize(("name", "seed"), [("lenet300", 0), ("lenet300", 2), ("lenet5", 5), ("resnet", 3)])
def test_every_widget_says_the_recipe_and_every_readout_the_model_whatever_was_done(
    name: str, seed: int
) -> None:
    chance, done = random.Random(seed), []
    app = opened("tune", name)
    for _ in range(STEPS):
        action = chance.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        done.append(action.__name__)
        app = action(app, chance)
        try:
            assert_says_what_is_so(app)
        except AssertionError as wrong:
            raise AssertionError(f"after {done}: {app.session_state[KEY].recipe.yaml}") from wrong
