"""No page waits for a long search of coupled groups, whatever leads to a model that needs them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from streamlit.runtime.scriptrunner import StopException, get_script_run_ctx
from streamlit.testing.v1 import AppTest, app_test

import dashboard.visitor
from compress_core.apply import groups_found
from compress_core.apply.groups_needed import NeededGroups
from compress_core.apply.lineage import compressed_by, lineage_as_json
from compress_core.apply.model import Model
from compress_core.apply.run import model_of, resolved_for
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.jobs.info import Info, State
from compress_core.jobs.local_runner import LocalRunner
from compress_core.measure.cost import search_estimate
from compress_core.recipe.reading import read_recipe
from compress_core.techniques.contract.technique import Stage
from dashboard import (
    asked_change,
    engine,
    group_search,
    long_searches,
    page_address,
    saved_work,
    shared_value,
    state,
)
from dashboard import job_panel as jobs
from dashboard.asked_change import AskedChange
from dashboard.links import encoded
from dashboard.page_job import PageJob
from dashboard.recover import training_panel
from dashboard.start import opening
from dashboard.trade_offs import taken_recipe
from dashboard.tune import steps, unmeasured
from dashboard.tune.cell_edits import RefusedCell
from dashboard.view import View
from tests.navigated import Navigated
from tests.subjects import loaded_sample
from tests.test_page_tune import section
from tests.test_pages import APP, assert_fine, opened

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_is_searched_in_a_page")]

RECIPE = "groups: [{match: '*', steps: [{technique: magnitude, share_removed: 0.5}]}]"
PATIENCE_S = 240.0  # a worker imports torch anew where the machine is busy
LOOK_AGAIN_S = 0.5


@pytest.fixture(autouse=True)
def _on_the_disk(page_workspace: Workspace) -> None:
    assert page_workspace.folder is not None


@pytest.fixture(autouse=True)
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    """Jobs wait until a test lets them go, so that it sees a search that is under way."""
    queue = Queue(LocalRunner._start_waiting)

    def start(runner: LocalRunner) -> None:
        queue.start(runner)

    monkeypatch.setattr(LocalRunner, "_start_waiting", start)
    return queue


class Queue:
    """Where the jobs of pages wait."""

    def __init__(self, start: Callable[[LocalRunner], None]) -> None:
        self._start, self.is_held = start, True

    def start(self, runner: LocalRunner) -> None:
        """In the place of the runner's own."""
        if not self.is_held:
            self._start(runner)

    def let_go(self) -> None:
        """Have the jobs done from now on."""
        self.is_held, runner = False, jobs.runner()
        with runner._changed:
            self.start(runner)


@pytest.fixture
def nothing_is_searched_in_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every search takes long, and one in a page's own run is an error; jobs search in other processes."""
    search = groups_found.find_groups

    def find_elsewhere(*given: Any, **more: Any) -> Any:
        assert get_script_run_ctx() is None, "a page searches groups itself"
        return search(*given, **more)

    monkeypatch.setattr(groups_found, "find_groups", find_elsewhere)
    monkeypatch.setattr(search_estimate, "LONG", 0)


def linked(page: str = "tune", *recipes: str) -> AppTest:
    """A page of a table model after these recipes, or with its groups cut, as a visitor's link opens it."""
    subject = loaded_sample("tabular")
    resolved = (resolved_for(subject, read_recipe(recipe), Store()) for recipe in recipes or (RECIPE,))
    lineage = tuple(done for recipe in resolved for done in compressed_by(recipe))
    app = AppTest.from_file(APP, default_timeout=90)
    app.query_params["m"], app.query_params["h"] = "tabular", encoded(lineage_as_json(lineage))
    return app.switch_page(f"pages/{page}.py").run()


def run_until(app: AppTest, is_so: Callable[[AppTest], bool]) -> AppTest:
    """The page once something is so, looked at when a job has ended, and now and then beside."""
    end = time.monotonic() + PATIENCE_S
    while not is_so(app):
        assert time.monotonic() < end, texts(app)
        started = app.session_state["slimscope.jobs"]
        left = [key for key in started if not jobs.runner().info(key).is_over]
        next(jobs.runner().as_done(left, LOOK_AGAIN_S), None)
        app.run()
        assert not app.exception, [e.message for e in app.exception]
    return app


def texts(app: AppTest) -> str:
    return "\n".join(str(one.value) for one in (*app.title, *app.caption, *app.warning, *app.info))


def is_under_way(app: AppTest) -> bool:
    return any((button.key or "").startswith("jobs.cancel.") for button in app.button)


def has_groups_cut(app: AppTest) -> bool:
    return bool(app.session_state[state.KEY].recipe.groups)


def box(app: AppTest) -> str:
    """What stands in the box of the recipe."""
    (area,) = [area for area in app.text_area if (area.key or "").startswith("recipe.text.")]
    return str(area.value)


def asked(text: str = RECIPE, *, of: AppTest | None = None) -> AppTest:
    """Tune, on which a recipe that cuts groups was typed and applied."""
    app = section(opened("tune", "tabular") if of is None else of, "Recipe")
    (area,) = [area for area in app.text_area if (area.key or "").startswith("recipe.text.")]
    area.set_value(text)
    (button,) = [button for button in app.button if button.label == "Apply"]
    return button.click().run()


def cancel(app: AppTest) -> AppTest:
    (button,) = [one for one in app.button if (one.key or "").startswith("jobs.cancel.")]
    return button.click().run()


def test_a_typed_recipe_stays_in_its_box_while_its_groups_are_searched_and_is_applied_by_itself(
    queue: Queue,
) -> None:
    app = asked()
    assert_fine(app)
    assert is_under_way(app)
    assert box(app) == RECIPE
    assert "what you asked for follows by itself" in texts(app)
    assert not has_groups_cut(app)
    queue.let_go()
    run_until(app, has_groups_cut)
    assert box(app) == app.session_state[state.KEY].recipe.yaml
    assert not is_under_way(app)
    assert not app.warning


def test_a_recipe_that_needs_two_searches_is_applied_after_the_second(queue: Queue) -> None:
    """Its names are looked up in the model as loaded, its groups cut from what it stands on."""
    pruned = "layers: [{match: fc1, steps: [{technique: magnitude, sparsity: 0.5}]}]"
    rounded = "layers: [{match: fc2, steps: [{technique: uniform, bits: 4}]}]"
    app = asked(of=linked("tune", pruned, rounded))
    (first,) = app.session_state["slimscope.jobs"]
    queue.let_go()
    run_until(app, has_groups_cut)
    assert next(iter(app.session_state["slimscope.jobs"])) == first
    assert len(app.session_state["slimscope.jobs"]) == 2
    assert len(app.session_state[state.KEY].stands_on) == 1
    assert box(app) == app.session_state[state.KEY].recipe.yaml
    assert not app.warning


def test_a_recipe_that_is_refused_once_its_groups_are_found_stays_in_its_box_with_the_reason(
    queue: Queue,
) -> None:
    queue.let_go()
    wrong = RECIPE.replace("'*'", "nobody")
    app = run_until(asked(wrong), lambda app: not is_under_way(app))
    assert "No group of coupled channels matches" in texts(app)
    assert box(app) == wrong
    assert "No group of coupled channels matches" in texts(app.run()), "as long as the text stands there"
    assert not has_groups_cut(app)


def test_what_waits_is_dropped_where_the_recipe_is_changed_otherwise_and_the_text_stays() -> None:
    app = asked()
    app.session_state[state.KEY] = view_of_another_recipe(app)
    app.run()
    assert asked_change.KEY not in app.session_state
    assert not has_groups_cut(app)
    assert box(app) == RECIPE


def view_of_another_recipe(app: AppTest) -> Any:
    view = app.session_state[state.KEY]
    other = read_recipe("layers: [{match: fc1, steps: [{technique: uniform, bits: 4}]}]")
    return view.moved(compressed_by(resolved_for(loaded_sample("tabular"), other, Store())))


def test_a_search_that_is_cancelled_leaves_the_text_and_another_press_begins_it_again() -> None:
    app = run_until(cancel(asked()), lambda app: not is_under_way(app))
    app.run()
    assert asked_change.KEY not in app.session_state
    assert box(app) == RECIPE
    assert not has_groups_cut(app)
    (button,) = [button for button in app.button if button.label == "Apply"]
    assert is_under_way(button.click().run())


def test_the_tab_of_groups_stands_beside_a_recipe_that_waits_for_the_same_search() -> None:
    app = section(asked(), "What shrinks together")
    assert_fine(app)
    assert is_under_way(app)


@pytest.mark.parametrize("page", ["tune", "recover", "start"])
def test_a_link_to_a_model_whose_groups_are_cut_shows_the_search_and_then_its_page(
    page: str, queue: Queue
) -> None:
    app = linked(page)
    assert not app.exception, [e.message for e in app.exception]
    key = list(app.session_state["slimscope.jobs"])[-1]
    address = app.query_params["h"]
    assert has_groups_cut(app)
    assert is_under_way(app) == (page != "start")
    queue.let_go()
    assert list(jobs.runner().as_done([key], PATIENCE_S)) == [key]
    assert_fine(app.run())
    assert not is_under_way(app)
    assert app.query_params["h"] == address
    assert model_of_page(app).base.parameters < loaded_sample("tabular").parameters
    shared_value.clear_all()  # a server that starts anew on the same workspace
    app = linked(page)
    assert_fine(app)
    assert not is_under_way(app)
    assert "slimscope.jobs" not in app.session_state
    assert model_of_page(app).base.parameters < loaded_sample("tabular").parameters


def model_of_page(app: AppTest) -> Model:
    """The model of the view, as the pages of this server have it."""
    view = app.session_state[state.KEY]
    return model_of(engine.sample("tabular"), view.lineage, engine.store())


def test_a_link_whose_search_was_cancelled_has_a_button_and_is_left_by_undo() -> None:
    app = run_until(cancel(linked()), lambda app: not is_under_way(app))
    (button,) = [one for one in app.button if one.label == "Find the groups"]
    assert not button.disabled
    assert not is_under_way(app.run()), "nobody begins again what was cancelled"
    app.button("slimscope.undo").click().run()
    assert_fine(app)
    assert not has_groups_cut(app)


def test_models_are_compared_whose_groups_a_job_has_found_and_the_store_forgot(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_test, "PagesManager", Navigated)
    app = linked("trade_offs")
    queue.let_go()
    run_until(app, lambda app: not is_under_way(app))
    app.button("slimscope.undo").click().run()
    both = app.multiselect(key="trade_offs.picked")
    both.set_value(sorted(both.options)).run()
    app.button(key="trade_offs.compare").click().run()
    engine.store().make_room(2**40)
    assert_fine(app.run())
    assert not app.warning, texts(app)
    assert any("A · " in "".join(map(str, table.value.columns)) for table in app.table)


def test_an_older_link_with_a_recipe_is_done_once_its_groups_are_found(queue: Queue) -> None:
    cut = {"groups": [["fc1", [{"technique": "magnitude", "share_removed": 0.5}]]], "layers": []}
    app = opened("tune", "tabular", cut)
    assert_fine(app)
    assert is_under_way(app)
    queue.let_go()
    run_until(app, has_groups_cut)


def test_a_cut_after_a_training_shows_the_search_and_is_done_by_itself(queue: Queue) -> None:
    queue.let_go()
    lasso = {"method": "group_lasso", "strength": 2.0}
    plan = json.dumps({"epochs": 6, "learning_rate": 0.02, "methods": [lasso]})
    app = AppTest.from_file(APP, default_timeout=90)
    app.query_params["m"], app.query_params["plan"] = "tabular", plan
    app.switch_page("pages/recover.py").run()
    app.button("recover.start").click().run()
    (training,) = app.session_state["slimscope.jobs"]
    assert list(jobs.runner().as_done([training], PATIENCE_S)) == [training]
    app.run().button("recover.use").click().run()
    trained = app.session_state[state.KEY].lineage
    queue.is_held = True
    app.button("recover.cut").click().run()
    assert_fine(app)
    assert is_under_way(app)
    assert app.session_state[state.KEY].lineage == trained
    queue.let_go()
    run_until(app, lambda app: app.session_state[state.KEY].lineage != trained)
    assert app.session_state[state.KEY].stands_on == trained
    assert model_of_page(app).base.parameters < loaded_sample("tabular").parameters


@pytest.mark.parametrize("page", ["tune", "behavior", "weights", "recover", "review", "start"])
def test_a_search_that_was_refused_is_said_in_a_sentence_on_every_page(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Refused("The worker cannot build it.")
    monkeypatch.setattr(jobs, "info", lambda key: Info(key, State.REFUSED, problem=problem))
    app = linked(page)
    assert not app.exception, [e.message for e in app.exception]
    assert "The worker cannot build it" in texts(app)


def test_one_visitors_cancel_leaves_another_ones_change_waiting_for_the_same_search(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = ["first"]
    monkeypatch.setattr(jobs, "visitor", lambda: who[0])
    first = asked()
    who[0] = "second"
    second = asked()
    who[0] = "first"
    assert not is_under_way(cancel(first)), "though it goes on for the second one"
    assert asked_change.KEY not in first.session_state
    assert "was cancelled" in texts(first)
    who[0] = "second"
    assert is_under_way(second.run())
    who[0] = "first"
    (button,) = [button for button in first.button if button.label == "Apply"]
    assert is_under_way(button.click().run())
    who[0] = "second"
    assert not is_under_way(cancel(second))
    who[0] = "first"
    assert is_under_way(first.run())
    queue.let_go()
    run_until(first, has_groups_cut)


def test_who_opens_a_model_for_which_another_visitor_has_groups_searched_waits_for_them_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    who = ["first"]
    monkeypatch.setattr(jobs, "visitor", lambda: who[0])
    first = linked()
    who[0] = "second"
    second = linked()
    who[0] = "first"
    cancel(first)
    who[0] = "second"
    assert is_under_way(second.run())


def _raise_memory_error(view: Any) -> Any:
    raise MemoryError


def test_a_change_that_takes_too_much_memory_ends_in_a_sentence_and_is_not_tried_again(queue: Queue) -> None:
    app = asked()
    waiting = app.session_state[asked_change.KEY]
    app.session_state[asked_change.KEY] = replace(waiting, change=_raise_memory_error)
    queue.let_go()
    run_until(app, lambda app: not is_under_way(app))
    assert "more memory than the server gives" in texts(app)
    assert asked_change.KEY not in app.session_state
    assert_fine(app.run())


def test_a_change_whose_search_cannot_be_begun_any_more_ends_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = asked()

    def refuse(needed: object) -> None:
        raise Refused("The weights of this training are gone.")

    monkeypatch.setattr(group_search, "search_of", refuse)
    assert_fine(app.run())
    assert "The weights of this training are gone" in texts(app)
    assert asked_change.KEY not in app.session_state


def test_a_change_asked_for_in_the_middle_of_a_run_is_begun_by_the_next_one_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a button of Start asks for one, which opens a model and a recipe where it is drawn."""
    is_pressed = [True]

    def draw(view: View, *_given: Any) -> None:
        if is_pressed and is_pressed.pop():
            state.with_recipe(view, read_recipe(RECIPE))

    monkeypatch.setattr(training_panel, "draw", draw)
    app = opened("recover", "tabular")
    assert not is_pressed
    assert_fine(app)
    assert is_under_way(app)
    assert "Your change is made as soon as" in texts(app)


def test_a_change_that_waits_shows_how_far_it_is_although_the_view_waits_as_well() -> None:
    app = linked()
    view, subject = app.session_state[state.KEY], loaded_sample("tabular")
    needed = NeededGroups(subject, (), (), subject)
    app.session_state[asked_change.KEY] = AskedChange(view.model, view.lineage, _as_it_is, (), needed, "word")
    app.run()
    assert not app.exception, [e.message for e in app.exception]
    assert "Your change is made as soon as" in texts(app)
    assert is_under_way(app)


def _as_it_is(view: View) -> View:
    return view


def test_a_text_that_was_applied_does_not_come_back_when_another_change_has_waited(
    queue: Queue,
) -> None:
    app = asked()
    waiting = app.session_state[asked_change.KEY]
    section(app, "Tried")
    queue.let_go()
    run_until(app, has_groups_cut)
    lineage = app.session_state[state.KEY].lineage
    another = replace(waiting, lineage=lineage, change=_as_it_is, word="another", is_begun=False)
    app.session_state[asked_change.KEY] = another
    app.run()
    assert asked_change.KEY not in app.session_state
    assert box(section(app, "Recipe")) == app.session_state[state.KEY].recipe.yaml


def test_groups_that_find_no_room_here_are_a_sentence_and_no_loop(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = linked()
    (key,) = app.session_state["slimscope.jobs"]
    monkeypatch.setattr(groups_found, "found_elsewhere", lambda *_given: None)
    queue.let_go()
    assert list(jobs.runner().as_done([key], PATIENCE_S)) == [key]
    app.run(timeout=20)
    assert not app.exception, [e.message for e in app.exception]
    assert "more memory than the server gives" in texts(app)


@pytest.mark.parametrize("is_typed", [False, True])
def test_a_change_that_waits_is_not_lost_by_a_reload_and_not_asked_for_again_once_it_is_cancelled(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, *, is_typed: bool
) -> None:
    monkeypatch.setattr(dashboard.visitor, "_from_cookie", lambda: "a" * 32)
    cut = {"groups": [["fc1", [{"technique": "magnitude", "share_removed": 0.5}]]], "layers": []}
    app = asked() if is_typed else opened("tune", "tabular", cut)
    cancelled = run_until(cancel(reloaded(app)), lambda app: not is_under_way(app))
    assert "was cancelled" in texts(cancelled)
    app = reloaded(cancelled)
    assert asked_change.KEY not in app.session_state
    app = reloaded(asked(of=app))
    assert is_under_way(app)
    queue.let_go()
    run_until(app, has_groups_cut)


def reloaded(app: AppTest) -> AppTest:
    """The page in a new session, at the address of an earlier one."""
    again = AppTest.from_file(APP, default_timeout=90)
    for name in app.query_params:
        again.query_params[name] = app.query_params[name]
    return again.switch_page("pages/tune.py").run()


def test_a_view_that_waits_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app = linked()
    saved = []
    monkeypatch.setattr(saved_work, "save", lambda *given: saved.append(given))
    app.run()
    assert not saved


def found_and_cut(queue: Queue) -> AppTest:
    queue.let_go()
    return run_until(linked(), lambda app: not is_under_way(app))


def test_a_model_that_is_there_is_shown_although_its_groups_were_let_go(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = found_and_cut(queue)
    monkeypatch.setattr(long_searches, "is_left", lambda _needed: True)
    assert model_of_page(app).is_changed
    app.run()
    assert "which of them must shrink together" not in texts(app)
    assert not any(button.label == "Find the groups" for button in app.button)


def test_a_knob_that_is_moved_when_all_was_let_go_takes_the_groups_over_from_the_job(queue: Queue) -> None:
    app = found_and_cut(queue)
    box = app.selectbox(key="tune.fc1.PRUNE.technique")
    engine.store().make_room(2**40)
    box.set_value("magnitude").run()
    assert_fine(app)
    assert not app.warning, texts(app)
    assert app.session_state[state.KEY].recipe.layers


def test_a_recipe_taken_over_from_trade_offs_waits_as_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = resolved_for(loaded_sample("tabular"), read_recipe(RECIPE), Store())
    is_pressed = [True]

    def draw(*_given: Any) -> None:
        if is_pressed and is_pressed.pop():
            taken_recipe.take_over(resolved)

    monkeypatch.setattr(training_panel, "draw", draw)
    pruned = "layers: [{match: fc1, steps: [{technique: magnitude, sparsity: 0.5}]}]"
    rounded = "layers: [{match: fc2, steps: [{technique: uniform, bits: 4}]}]"
    app = linked("recover", pruned, rounded)
    assert not is_pressed
    waiting = app.session_state[asked_change.KEY]
    assert waiting.asked == compressed_by(resolved)
    assert len(app.session_state[state.KEY].lineage) == 2


# A run may be overtaken by the next click wherever it asks the session ------------------------------------


def _stopped_once(act: Callable[..., Any]) -> tuple[Callable[..., Any], list[bool]]:
    """The same, but that its first run is overtaken there; and whether that is still to come."""
    to_come = [True]

    def stopped(*given: Any) -> Any:
        if to_come and to_come.pop():
            raise StopException
        return act(*given)

    return stopped, to_come


def test_a_change_whose_run_is_overtaken_is_made_by_the_next_one(queue: Queue) -> None:
    app = asked()
    waiting = app.session_state[asked_change.KEY]
    change, to_come = _stopped_once(waiting.change)
    app.session_state[asked_change.KEY] = replace(waiting, change=change)
    queue.let_go()
    run_until(app, has_groups_cut)
    assert not to_come
    assert box(app) == app.session_state[state.KEY].recipe.yaml


def test_a_search_that_was_not_begun_because_its_run_was_overtaken_is_begun_by_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit, to_come = _stopped_once(PageJob.submit)
    monkeypatch.setattr(PageJob, "submit", submit)
    app = asked()
    assert not to_come
    assert is_under_way(app.run())


def test_what_a_reload_asks_for_again_is_not_lost_where_that_run_is_overtaken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dashboard.visitor, "_from_cookie", lambda: "a" * 32)
    app = asked()
    as_left, to_come = _stopped_once(page_address._as_left)
    monkeypatch.setattr(page_address, "_as_left", as_left)
    overtaken = reloaded(app)
    assert not to_come
    assert is_under_way(overtaken.run())
    to_come.append(True)
    assert is_under_way(reloaded(reloaded(app))), "nor where it is loaded once more"


# What a change that waits has beside it ------------------------------------------------------------


def test_the_search_of_a_page_and_that_of_a_change_are_shown_once_each() -> None:
    app = section(opened("tune", "tabular"), "What shrinks together")
    (button,) = [one for one in app.button if one.label == "Find the groups"]
    button.click().run()
    view, subject = app.session_state[state.KEY], loaded_sample("tabular")
    rounded = read_recipe("layers: [{match: fc2, steps: [{technique: uniform, bits: 4}]}]")
    stands_on = compressed_by(resolved_for(subject, rounded, Store()))
    needed = NeededGroups(subject, stands_on, (), subject)
    app.session_state[asked_change.KEY] = AskedChange(view.model, view.lineage, _as_it_is, (), needed, "word")
    assert_fine(app.run())
    cancels = [one.key for one in app.button if (one.key or "").startswith("jobs.cancel.")]
    assert len(cancels) == len(set(cancels)) == 2


def test_what_waits_is_dropped_for_good_where_another_model_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dashboard.visitor, "_from_cookie", lambda: "a" * 32)
    app = asked()
    left: list[object] = []

    def draw(view: View, *_given: Any) -> None:
        left.append(saved_work.left_waiting("tabular"))
        if view.model == "tabular":
            opening.open_model("lenet300")

    monkeypatch.setattr(training_panel, "draw", draw)
    app.switch_page("pages/recover.py").run()
    app.run()
    assert left[0] is not None
    assert left[-1] is None
    assert asked_change.KEY not in app.session_state


def test_what_a_link_holds_is_no_lock_of_the_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    view, asked_of = View("tabular", (), "fc1"), []

    def refused(of: View) -> None:
        asked_of.append(of)
        raise Refused("Not now.")

    monkeypatch.setattr(steps.state, "required", lambda: view)
    monkeypatch.setattr(steps, "with_held_layers", lambda of: replace(of, locked=frozenset({"fc2"})))
    monkeypatch.setattr(steps.group_search, "model_of_view", refused)
    with pytest.raises(Refused, match="Not now"):
        steps.change_step("fc1", Stage.PRUNE, lambda before: before)
    assert asked_of == [view]


def test_a_cell_says_what_it_was_refused_only_while_its_change_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    view = View("tabular", (), "fc1")
    cell = RefusedCell(view.model, view.lineage, "90", Refused("It follows by itself."), "word")
    monkeypatch.setattr(asked_change, "is_waiting", lambda word: word == "word")
    assert cell.stands_at(view)
    monkeypatch.setattr(asked_change, "is_waiting", lambda _word: False)
    assert not cell.stands_at(view)
    assert replace(cell, waits=None).stands_at(view)


def test_a_model_that_was_there_before_is_no_new_trial_when_it_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state, "at", lambda *_given: "tried")
    monkeypatch.setattr(state, "looking_at", lambda *_given: "looked at")
    view = View("tabular", (), "fc1")
    assert page_address._as_left(view, {"lineage": [], "is_new": False}) == "looked at"
    assert page_address._as_left(view, {"lineage": []}) == "tried"


def test_a_line_of_the_log_is_measured_again_once_its_groups_were_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = loaded_sample("tabular")
    missing = unmeasured.NotSearchedError(NeededGroups(subject, (), (), subject))
    other = Refused("It has no labels.")
    reasons: unmeasured.Reasons = {"line": missing, "other": other, "known": None}
    monkeypatch.setattr(unmeasured, "is_left", lambda _needed: True)
    unmeasured.forget_what_was_found(reasons)
    assert set(reasons) == {"line", "other", "known"}
    monkeypatch.setattr(unmeasured, "is_left", lambda _needed: False)
    unmeasured.forget_what_was_found(reasons)
    assert reasons == {"other": other, "known": None}
