"""The page Recover, drawn by Streamlit without a browser, with trainings in real workers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from compress_core.apply.lineage import (
    Lineage,
    Train,
    canonical_plan,
    compressed_by,
    lineage_as_json,
)
from compress_core.apply.model import Model
from compress_core.apply.run import model_of
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.jobs.info import Info, State
from compress_core.jobs.process import Worker
from compress_core.loading.items import Items
from compress_core.loading.own_training import with_training
from compress_core.loading.weights_subject import user_subject
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.subject.subject import Subject
from dashboard import engine, shared_value, state, visitor_jobs
from dashboard import job_panel as jobs
from dashboard.links import encoded
from dashboard.recover import progress_figures
from dashboard.recover.chosen_plan import chosen_plan, judges, others
from dashboard.show import with_interval
from dashboard.text import _, label, use_language
from dashboard.training_choice import USUAL
from dashboard.view import View
from tests.subjects import loaded_sample
from tests.test_architecture import ROOT

pytestmark = pytest.mark.slow

PRUNED = [{"technique": "magnitude", "sparsity": 0.9}]
PATIENCE = 120.0
TRAINED = (
    '{"epochs":2,"methods":[{"method":"distill"}]}'  # started by whoever comes first, found by all others
)


@pytest.fixture(autouse=True, scope="module")
def _on_a_workspace_and_no_worker_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    shared_value.clear_all()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SLIMSCOPE_WORKSPACE", str(tmp_path_factory.mktemp("recover")))
        yield
        jobs.runner().close()
    shared_value.clear_all()


def page(model: str = "tabular", language: str = "en", *, plan: str = "", layer: str = "fc1") -> AppTest:
    """The page after its first run."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["m"], app.query_params["lang"] = model, language
    if layer:
        app.query_params["r"] = encoded([[layer, PRUNED]])
    if plan:
        app.query_params["plan"] = plan
    app.switch_page("pages/recover.py").run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    shown = [*app.title, *app.markdown, *app.caption, *app.info, *app.warning, *app.success]
    return "\n".join(str(element.value) for element in shown)


def plan_of(app: AppTest) -> dict[str, Any]:
    """What the link of the page says of the plan, the usual one where it says nothing."""
    said = app.query_params.get("plan", USUAL)
    found: dict[str, Any] = json.loads(said[0] if isinstance(said, list) else said)
    return found


def outcome(app: AppTest) -> pd.DataFrame:
    """The table of numbers before and after."""
    return next(table.value for table in app.table if "after training" in table.value.columns)


def looks(app: AppTest) -> Iterator[int]:
    """One look at the page after the other, for as long as what is worked out beside it may take."""
    end = time.monotonic() + PATIENCE
    for number in count():
        yield number
        if time.monotonic() > end:
            return
        app.run()


def start(app: AppTest) -> str:
    """Press the button, and wait until the worker is done; gives the key of the job."""
    app.button("recover.start").click().run()
    key = list(app.session_state[visitor_jobs.KEY])[-1]
    assert list(jobs.runner().as_done([key], PATIENCE)) == [key]
    return key


def train_once(app: AppTest) -> None:
    """Start the training of the page, unless a test before has; a worker takes five seconds to begin."""
    if app.button("recover.start").label == "Train":
        start(app)
        app.run()
    assert app.button("recover.start").label == "Trained"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_offers_every_method_and_says_how_long_it_takes(language: str) -> None:
    app = page(language=language)
    with use_language(language):
        assert app.title[0].value == _("Can training win it back?")
        assert set(app.selectbox("recover.judge").options) == {label(name) for name in judges()}
        assert set(app.multiselect("recover.methods").options) == {label(name) for name in others()}
        assert any("≈" in texts(app) for _look in looks(app))


def test_every_widget_of_a_plan_shows_what_the_link_says_and_changes_the_plan_it_leads_to() -> None:
    said = {"epochs": 7, "methods": [{"method": "fine_tune"}, {"method": "gradual", "sparsity": 0.5}]}
    app = page(plan=json.dumps(said))
    assert app.selectbox("recover.judge").value == "fine_tune"
    assert app.multiselect("recover.methods").value == ["gradual"]
    assert app.slider("recover.1.gradual.sparsity").value == 0.5
    app.number_input("recover.training.epochs").set_value(2).run()
    app.select_slider("recover.training.learning_rate").set_value(0.01).run()
    app.slider("recover.1.gradual.sparsity").set_value(0.8).run()
    app.text_input("recover.1.gradual.match").set_value("fc*").run()
    app.selectbox("recover.judge").set_value("distill").run()
    assert not app.exception
    assert plan_of(app) == {
        "epochs": 2,
        "learning_rate": 0.01,
        "methods": [{"method": "distill"}, {"method": "gradual", "match": "fc*", "sparsity": 0.8}],
    }


def test_two_methods_that_do_not_go_together_are_refused_at_their_widget_and_the_plan_stays() -> None:
    app = page()
    app.multiselect("recover.methods").set_value(["qat", "rate_aware"]).run()
    assert "both say how weights are rounded" in texts(app)
    assert plan_of(app) == json.loads(USUAL)


@pytest.mark.parametrize("said", ["nonsense", "[]", '{"methods": 3}', '{"epochs": -1}', "[" * 50_000])
def test_a_plan_of_a_link_that_nobody_could_have_set_is_passed_over(said: str) -> None:
    assert plan_of(page(plan=said)) == json.loads(USUAL)


def test_a_trained_model_is_taken_over_named_on_every_page_and_left_by_undo() -> None:
    app = page(plan=TRAINED)
    before = app.session_state[state.KEY].lineage
    train_once(app)
    assert not app.exception
    assert [*outcome(app).columns[1:]] == ["original", "before training", "after training"]
    subject = loaded_sample("tabular")
    chose, judge = (len(subject.split(name)) for name in ("validation", "test"))
    assert re.search(rf"The {chose} validation items chose epoch [12] of 2: they tend to find it", texts(app))
    assert f"The {judge} test items, which chose nothing, judge it" in texts(app)
    app.button("recover.use").click().run()
    after = app.session_state[state.KEY].lineage
    assert after[:-1] == before
    assert isinstance(after[-1], Train)
    assert after[-1].epochs == 2
    assert "You look at the trained model now" in texts(app)
    for name in ("weights", "behavior", "explain", "deploy", "tune"):
        app.switch_page(f"pages/{name}.py").run()
        assert not app.exception, name
        assert app.session_state[state.KEY].lineage == after
    app.button("slimscope.undo").click().run()
    assert app.session_state[state.KEY].lineage == before


def test_what_died_in_a_training_is_cut_for_real_and_every_page_shows_the_smaller_network() -> None:
    lasso = {"method": "group_lasso", "strength": 2.0}
    app = page(layer="", plan=json.dumps({"epochs": 6, "learning_rate": 0.02, "methods": [lasso]}))
    start(app)
    app.run()
    app.button("recover.use").click().run()
    trained = app.session_state[state.KEY].lineage
    app.button("recover.cut").click().run()
    assert not app.exception
    after = app.session_state[state.KEY]
    assert after.stands_on == after.lineage[:-1] == trained
    model = state_model(app)
    assert model.base.parameters < loaded_sample("tabular").parameters
    for name in ("tune", "weights", "behavior", "explain", "deploy"):
        app.switch_page(f"pages/{name}.py").run()
        assert not app.exception, name


def test_where_nothing_died_there_is_nothing_to_cut_and_the_page_says_so() -> None:
    app = page(layer="", plan='{"epochs":1,"methods":[{"method":"distill"}]}')
    start(app)
    app.run()
    app.button("recover.use").click().run()
    before = app.session_state[state.KEY].lineage
    app.button("recover.cut").click().run()
    assert "there is nothing for cut" in texts(app).replace("\\", "")
    assert app.session_state[state.KEY].lineage == before


def state_model(app: AppTest) -> Model:
    return model_of(loaded_sample("tabular"), app.session_state[state.KEY].lineage, engine.store())


def test_a_training_under_way_stays_on_the_page_when_a_knob_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    held, give = [], Worker.give
    monkeypatch.setattr(Worker, "give", lambda *given: held.append(partial(give, *given)))
    app = page("lenet300", plan='{"epochs":2,"methods":[{"method":"fine_tune"}],"seed":9}')
    app.button("recover.start").click().run()
    key = list(app.session_state[visitor_jobs.KEY])[-1]
    app.number_input("recover.training.epochs").set_value(1).run()
    assert "Under way for recipe" in texts(app)
    assert app.button(f"jobs.cancel.{key}").label == "Cancel"
    held.pop()()  # only now the worker hears what to do: it cannot be done before that was looked at
    assert list(jobs.runner().as_done([key], PATIENCE)) == [key]
    app.run()
    assert "An earlier training: " in texts(app)
    app.button("recover.as_it_was").click().run()
    assert plan_of(app)["epochs"] == 2
    assert "An earlier training: " not in texts(app)


def test_what_was_there_before_a_training_is_measured_and_never_the_originals_number() -> None:
    app = page(plan=TRAINED)
    train_once(app)
    app.button("recover.use").click().run()
    engine.store.clear()
    split = loaded_sample("tabular").split("validation")
    apart = Store()  # not that of the page, which is to measure it itself
    parent = model_of(loaded_sample("tabular"), app.session_state[state.KEY].lineage[:1], apart)
    right = with_interval(evaluate(parent, split, apart)["accuracy"])
    shown = set()
    for number in looks(app):
        shown.add(outcome(app).iloc[0]["before training"])
        if number >= 3 and right in shown:
            break
    assert shown <= {right, "being measured …"}
    assert right in shown


@pytest.mark.parametrize(
    "method",
    [
        {"method": "gradual", "sparsity": 0.995},
        {"method": "rigl", "sparsity": 0.999},
        {"method": "rewind", "share": 0.975, "rounds": 1},
    ],
    ids=lambda said: said["method"],
)
def test_what_a_plan_may_say_between_the_notches_of_a_slider_is_shown(method: dict[str, Any]) -> None:
    plan = {"epochs": 4, "methods": [{"method": "fine_tune", "smoothing": 0.999}, method], "warmup": 0.9999}
    app = page(plan=json.dumps(plan))
    assert plan_of(app) == plan


def test_a_method_may_stand_twice_each_time_for_other_layers() -> None:
    twice = [{"match": f"fc{i}", "method": "gradual", "sparsity": 0.1 * i} for i in (1, 2)]
    app = page(plan=json.dumps({"epochs": 4, "methods": [{"method": "distill"}, *twice]}))
    app.slider("recover.2.gradual.sparsity").set_value(0.5).run()
    assert [step.get("sparsity") for step in plan_of(app)["methods"]] == [None, 0.1, 0.5]


def test_half_of_a_character_in_a_link_is_no_pattern_of_layers() -> None:
    said = '{"epochs":1,"methods":[{"match":"\\ud800","method":"fine_tune"}]}'
    assert plan_of(page(plan=said)) == json.loads(USUAL)


def test_a_link_to_a_trained_model_whose_weights_are_not_here_opens_its_recipe_and_sets_its_training_up() -> (
    None
):
    plan = {"epochs": 7, "methods": [{"method": "fine_tune"}], "seed": 77}
    recipe = compressed_by(ResolvedRecipe((("fc1", (Step.of("magnitude", sparsity=0.5),)),)))
    lineage = (*recipe, Train(canonical_plan(plan), "items", 5))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["m"], app.query_params["h"] = "tabular", encoded(lineage_as_json(lineage))
    app.run()
    assert not app.exception
    assert "its training is set up on Recover" in texts(app)
    assert app.session_state[state.KEY].lineage == recipe
    app.switch_page("pages/recover.py").run()
    assert plan_of(app) == plan


def test_a_trained_model_whose_weights_were_let_go_can_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(plan=TRAINED)
    train_once(app)
    app.button("recover.use").click().run()
    trained = app.session_state[state.KEY].lineage
    monkeypatch.setattr(state, "model", refuses_when(trained, state.model))
    for name in ("behavior", "tune", "weights", "deploy", "recover"):
        app.switch_page(f"pages/{name}.py").run()
        assert not app.exception, name
        assert "train once more" in texts(app)
    app.button("slimscope.before_training").click().run()
    assert app.session_state[state.KEY].lineage == trained[:-1]


def refuses_when(lineage: Lineage, model: Callable[[View], Model]) -> Callable[[View], Model]:
    """`state.model`, which finds the weights of this training no more."""

    def found(view: View) -> Model:
        if view.lineage == lineage:
            raise Refused("The weights of this training are gone: train once more.")
        return model(view)

    return found


def test_two_people_who_start_the_same_training_share_one_run() -> None:
    plan = '{"epochs":1,"methods":[{"method":"fine_tune"}],"seed":5}'
    first, second = page(plan=plan), page(plan=plan)
    assert start(first) == start(second)


def test_a_training_that_was_ended_after_an_epoch_goes_on_or_gives_its_best_epoch() -> None:
    app = page("lenet300", plan='{"epochs":40,"methods":[{"method":"fine_tune"}]}')
    app.button("recover.start").click().run()
    (key,) = app.session_state[visitor_jobs.KEY]
    until = jobs.runner()
    while not any("score" in told for told in until.info(key).figures):
        assert not until.info(key).is_over
        list(until.as_done([key], 0.2))
    app.run()
    assert not app.exception
    app.button(f"jobs.cancel.{key}").click().run()
    assert list(until.as_done([key], PATIENCE)) == [key]
    assert until.info(key).state is State.CANCELLED
    app.run()
    assert app.button("recover.start").label == "Go on training"
    app.button("recover.early").click().run()
    assert not app.exception
    assert "It was ended after epoch" in texts(app)
    app.button("recover.use").click().run()
    done = app.session_state[state.KEY].lineage[-1]
    assert isinstance(done, Train)
    assert 0 < done.epochs < 40


def own(*, items: bool = True) -> Subject:
    torch.manual_seed(0)
    weights = {"a.weight": torch.randn(6, 4), "a.bias": torch.randn(6), "b.weight": torch.randn(3, 6)}
    given = (
        Items(np.random.default_rng(0).random((300, 4), np.float32), np.arange(300) % 3) if items else None
    )
    return user_subject({**weights, "b.bias": torch.zeros(3)}, given, name="mine", input_shape=(4,))


def opened(subject: Subject) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.session_state[state.UPLOADS] = {"own-1": subject}
    app.query_params["m"] = "own-1"
    app.switch_page("pages/recover.py").run()
    assert not app.exception
    return app


def test_an_own_model_says_what_it_needs_to_be_trained_and_is_trained_once_it_has_it() -> None:
    assert "came without items to train on" in texts(opened(own()))
    items = Items(np.random.default_rng(1).random((64, 4), np.float32), np.arange(64) % 3)
    app = opened(with_training(own(), items))
    assert "came without items to train on" not in texts(app)
    start(app)
    app.run()
    assert not app.exception
    assert len(outcome(app)) == 3
    assert "There are no test items, which would judge it" in texts(app)


def test_an_own_model_without_labeled_items_is_refused_in_a_sentence() -> None:
    items = Items(np.random.default_rng(1).random((64, 4), np.float32), np.arange(64) % 3)
    app = opened(with_training(own(items=False), items))
    assert "has no validation items" in texts(app)


def test_the_usual_plan_is_written_as_a_link_would_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "query_params", {})
    assert chosen_plan().text == USUAL


@pytest.mark.parametrize("earlier", [False, True], ids=["ends meanwhile", "goes on below an earlier one"])
def test_curves_of_a_training_under_way_stand_beside_those_of_an_outcome(
    monkeypatch: pytest.MonkeyPatch, earlier: bool
) -> None:
    """Of the same training, which ends while the page is drawn, or of one whose result is still looked at."""
    app = page(plan=TRAINED)
    train_once(app)
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
    really, told = jobs.info, ({"epoch": 1, "loss": 1.0, "learning_rate": 0.1, "score": score},)
    drawn: list[object] = []
    draw = progress_figures.draw

    def drawing(figures: Any, **of: Any) -> None:
        drawn.append(figures)
        draw(figures, **of)

    def info(asked: str) -> Info:
        found = really(asked)
        is_live = not found.is_over or found.state is State.UNKNOWN if earlier else not drawn
        return replace(found, state=State.RUNNING, figures=found.figures or told) if is_live else found

    monkeypatch.setattr(progress_figures, "draw", drawing)
    monkeypatch.setattr(jobs, "info", info)
    if earlier:
        app.number_input("recover.training.epochs").set_value(3)
    app.run()
    assert not app.exception
    assert len(drawn) == 2
