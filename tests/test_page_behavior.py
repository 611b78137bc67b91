"""The page Behavior: the margin and the split are the visitor's, every flip can be reached and explained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pandas as pd
import pytest
import torch
from streamlit.delta_generator import DeltaGenerator
from streamlit.testing.v1 import AppTest, app_test

from compress_core.apply.lineage import with_recipe
from compress_core.loading.items import Items
from compress_core.loading.weights_subject import user_subject
from compress_core.recipe.resolving import resolve
from compress_core.recipe.values import Recipe, Rule, Step
from dashboard import header, shared_value, state, visitor_jobs
from dashboard import job_panel as jobs
from dashboard.behavior.changed_items import gallery_page
from dashboard.behavior.margin import _read
from dashboard.links import encoded
from tests.navigated import Navigated
from tests.test_architecture import ROOT

pytestmark = pytest.mark.slow

PRUNED = [["fc1", [{"technique": "magnitude", "sparsity": 0.95}]]]
PATIENCE = 120.0


@pytest.fixture(autouse=True, scope="module")
def _no_worker_is_left() -> Iterator[None]:
    yield
    jobs.runner().close()
    shared_value.clear_all()


@pytest.fixture(autouse=True)
def _as_a_server_knows_its_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_test, "PagesManager", Navigated)
    monkeypatch.setattr(header, "_fill_accuracy", lambda *_arguments: None)  # tested elsewhere


def page(model: str = "lenet300", recipe: object = PRUNED, **link: str) -> AppTest:
    """The page after its first run, as a link opens it."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90)
    for name, value in {"m": model, "r": encoded(recipe), "lang": "en", **link}.items():
        app.query_params[name] = value
    app = app.switch_page("pages/behavior.py").run()
    assert not app.exception, [e.message for e in app.exception]
    return app


def texts(app: AppTest) -> str:
    groups = (app.markdown, app.caption, app.subheader, app.info, app.warning, app.success, app.error)
    return "\n".join(str(element.value) for group in groups for element in group)


def button(app: AppTest, key: str) -> Any:
    return app.button(key=key)


def pictured(app: AppTest) -> list[int]:
    """The items on this page of the gallery, in order."""
    keys = (str(one.key) for one in app.button)
    return [int(key.rsplit(".", 1)[1]) for key in keys if key.startswith("behavior.explain.")]


def run(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception, [e.message for e in app.exception]
    return app


def test_the_margin_decides_the_verdict_and_stands_in_the_link() -> None:
    app = page()
    assert app.number_input(key="behavior.margin").value == 0.3
    assert "margin" not in app.query_params
    assert "Beyond the margin: more than 0.3 points" in texts(app)
    app.number_input(key="behavior.margin").set_value(45.0)
    run(app)
    assert "Within the margin: at most 45 points" in texts(app)
    assert app.query_params["margin"] in ("45.0", ["45.0"])
    run(app.switch_page("pages/weights.py").run().switch_page("pages/behavior.py"))
    assert app.number_input(key="behavior.margin").value == 45.0
    assert page(margin="45.0").number_input(key="behavior.margin").value == 45.0


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "51", "x", "", "1e999"])
def test_a_margin_that_is_none_is_not_taken_from_a_link(text: str) -> None:
    assert _read(text) is None


def test_the_test_split_counts_each_new_model_once_and_says_so() -> None:
    app = page()
    assert "Measured on the validation split" in texts(app)
    app.button_group(key="slimscope.split").set_value("test")
    run(app)
    assert "Measured on the test split" in texts(app)
    assert "(test split, N = 2,000)" in texts(app)
    assert "The first compressed model that you look at" in texts(app)
    run(app)
    assert "The first compressed model that you look at" in texts(app)
    for sparsity, said in ((0.9, "2 times"), (0.8, "3 times"), (0.9, "3 times")):
        recipe = Recipe((Rule("fc1", (Step.of("magnitude", sparsity=sparsity),)),))
        lineage = with_recipe((), resolve(recipe, ["fc1"]))
        app.session_state[state.KEY] = app.session_state[state.KEY].moved(lineage)
        run(app)
        assert f"Looked at the test items {said}: each look makes the next less telling." in texts(app)
    assert app.query_params["split"] in ("test", ["test"])


def test_choosing_on_validation_counts_no_look() -> None:
    app = page(split="nonsense")
    assert "Measured on the validation split" in texts(app)
    assert "look" not in " ".join(i.value for i in app.info)


def test_every_flip_can_be_reached_by_page() -> None:
    app = page()
    every = app.dataframe[0].value
    seen = pictured(app)
    assert len(seen) == 12
    assert f"1 to 12 of {len(every):,}" in texts(app)
    assert button(app, "behavior.turn.-1").disabled
    while not button(app, "behavior.turn.1").disabled and len(seen) < 40:
        button(app, "behavior.turn.1").click()
        run(app)
        seen += pictured(app)
    assert seen == every["item"].tolist()[: len(seen)]
    assert f"37 to 48 of {len(every):,}" in texts(app)


@pytest.mark.parametrize(("every", "page_", "rows"), [(0, 0, (0, 0)), (57, 1, (12, 24)), (57, 9, (48, 57))])
def test_a_page_beyond_the_last_is_the_last(every: int, page_: int, rows: tuple[int, int]) -> None:
    part = gallery_page(every, page_)
    assert (part.first, part.last) == rows


def test_boxes_filter_by_class_and_order_by_confidence_and_one_button_shows_all() -> None:
    app = page()
    every = app.dataframe[0].value
    app.selectbox(key="behavior.before").set_value(7)
    run(app)
    found = app.dataframe[0].value
    assert set(found["before"]) == {"7"}
    assert len(found) == (every["before"] == "7").sum() < len(every)
    assert f"{len(found):,} of {len(every):,} items whose predicted class changed: 7 → any class" in texts(
        app
    )
    app.selectbox(key="behavior.order").set_value("surest")
    run(app)
    assert app.dataframe[0].value["confidence after"].is_monotonic_decreasing
    button(app, "behavior.all").click()
    run(app)
    assert app.selectbox(key="behavior.before").value is None
    assert len(app.dataframe[0].value) == len(every)


def test_a_click_on_the_matrix_filters_shows_in_the_boxes_and_a_second_one_shows_all() -> None:
    from dashboard.behavior import flips_filter

    clicked = {"selection": {"points": [{"customdata": [9, 4]}]}}

    def click(app: AppTest) -> None:
        app.session_state[flips_filter.MATRIX] = clicked

    app = AppTest.from_function(_one_click, default_timeout=60)
    click(app)
    app.run()
    assert not app.exception
    assert app.markdown[0].value == "before=9 after=4"
    click(app)
    app.run()
    assert app.markdown[0].value == "before=None after=None"


def _one_click() -> None:
    import streamlit as st

    from compress_core.loading.samples import load_sample
    from dashboard.behavior import flips_filter

    subject = load_sample("lenet300")
    flips_filter.take_click(subject, list(range(10)))
    flips = flips_filter.shown(subject).flips
    st.markdown(f"before={flips.before} after={flips.after}")


def test_a_picture_leads_to_explain_with_that_item() -> None:
    app = page()
    item = pictured(app)[3]
    button(app, f"behavior.explain.{item}").click()
    run(app)
    assert app.title[0].value == "Does it still look at the same things?"
    assert app.number_input(key="explain.item").value == item


def test_rows_without_labels_are_shown_filtered_and_lead_to_explain() -> None:
    torch.manual_seed(3)
    weights = {"a.weight": torch.randn(24, 4), "a.bias": torch.randn(24), "b.weight": torch.randn(3, 24)}
    items = Items(torch.randn(400, 4).numpy(), None)
    subject = user_subject({**weights, "b.bias": torch.zeros(3)}, items, name="mine", input_shape=(4,))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state[state.UPLOADS] = {"own-1": subject}
    app.query_params["m"] = "own-1"
    app.query_params["r"] = encoded([["a", [{"technique": "magnitude", "sparsity": 0.9}]]])
    app.run()
    run(app.switch_page("pages/behavior.py"))
    shown = pictured(app)
    assert len(shown) == 12
    numbers = subject.split("validation").numbers
    assert numbers is not None, "some items of the file were set apart"
    heads = [f"item {item} ({numbers[item]} in the file)" for item in shown]
    assert app.dataframe[0].value.columns.tolist() == heads
    before = app.dataframe[1].value["before"].iloc[0]
    app.selectbox(key="behavior.before").set_value(subject.classes.index(before))
    run(app)
    assert set(app.dataframe[1].value["before"]) == {before}
    button(app, f"behavior.explain.{pictured(app)[0]}").click()
    run(app)
    assert app.title[0].value == "Does it still look at the same things?"


def test_an_item_of_several_labels_leads_to_no_layer_that_made_it_flip() -> None:
    torch.manual_seed(3)
    weights = {"a.weight": torch.randn(24, 4), "a.bias": torch.randn(24), "b.weight": torch.randn(3, 24)}
    items = Items(torch.randn(100, 4).numpy(), torch.randint(0, 2, (100, 3)).numpy())
    subject = user_subject({**weights, "b.bias": torch.zeros(3)}, items, name="mine", task="labels")
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state[state.UPLOADS] = {"own-2": subject}
    app.query_params["m"] = "own-2"
    app.query_params["r"] = encoded([["a", [{"technique": "magnitude", "sparsity": 0.9}]]])
    app.run()
    run(app.switch_page("pages/behavior.py"))
    keys = [str(each.key) for each in app.button]
    assert [key for key in keys if key.startswith("behavior.explain.")]
    assert not [key for key in keys if key.startswith("behavior.which_layer.")]


def test_exactly_the_flips_that_are_shown_are_explained_and_stand_on_explain() -> None:
    app = page("tabular", [["fc1", [{"technique": "magnitude", "sparsity": 0.9}]]])
    count = len(app.dataframe[1].value)
    start = button(app, "behavior.explain_flips")
    assert start.label == f"Explain these {count} changed items"
    start.click()
    run(app)
    (key,) = app.session_state[visitor_jobs.KEY]
    assert list(jobs.runner().as_done([key], PATIENCE)) == [key]
    run(app)
    run(app.switch_page("pages/explain.py"))
    said = f"N = {count} of the {count} items of the validation split that changed (all changed items)"
    assert said in texts(app)
    app.button_group(key="explain.which").set_value(0)
    run(app)
    assert "An older result: Integrated gradients" in texts(app)
    assert "(all changed items)" in texts(app)


def test_all_that_the_page_says_is_of_all_items_of_the_split() -> None:
    assert set(re.findall(r"N = ([\d,]+)", texts(page()))) == {"6,000"}
    assert set(re.findall(r"N = ([\d,]+)", texts(page(split="test")))) == {"2,000"}


def test_downloads_say_model_recipe_split_and_items(monkeypatch: pytest.MonkeyPatch) -> None:
    files: dict[str, pd.DataFrame] = {}

    def download(_place: object, _label: str, content: Any, name: str, *_rest: Any, **_named: Any) -> None:
        files[name] = pd.read_csv(BytesIO(content()))

    monkeypatch.setattr(DeltaGenerator, "download_button", download)
    sha = page(split="test").session_state[state.KEY].recipe.sha
    about = f"lenet300_{sha[:8]}_test_N2000_behavior"
    names = ("flips", "confidence", "classes", "reliability", "changed")
    assert list(files) == [f"{about}.{name}.csv" for name in names]
    for frame in files.values():
        found = frame[["model", "recipe", "split", "items"]].drop_duplicates()
        assert found.to_numpy().tolist() == [["lenet300", sha, "test", 2000]]


def test_a_choice_follows_the_browsers_way_back() -> None:
    app = page()
    app.number_input(key="behavior.margin").set_value(45.0)
    run(app)
    del app.query_params["margin"]
    run(app)
    assert app.number_input(key="behavior.margin").value == 0.3


def test_an_item_of_the_gallery_leads_to_the_layer_whose_compression_made_it_flip() -> None:
    app = page()
    item = pictured(app)[1]
    button(app, f"behavior.which_layer.{item}").click()
    run(app)
    assert app.title[0].value == "Which one do I want?"
    assert app.selectbox(key="trade_offs.flip").value == item
    assert app.query_params["tab"] in ("which_layer", ["which_layer"])
    assert "With fc1 put back alone it keeps its class" in texts(app), "fc1 alone was pruned"
    assert "of 64 flips turn back with one layer put back" in texts(app)
