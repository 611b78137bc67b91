"""A closed tab, a reload and a new server lose nothing of a visitor's work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.testing.v1 import AppTest, app_test

import dashboard.saved_work
import dashboard.trial_log
import dashboard.visitor
import dashboard.visitor_jobs
from compress_core.apply.lineage import compressed_by, lineage_as_json
from compress_core.apply.run import key_of
from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.sessions import Sessions
from compress_core.foundation.workspace.workspace import Workspace, open_workspace
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.subject.split import Split
from dashboard import engine, header, state
from dashboard.start import upload_model
from dashboard.undo import led_back, redone, undone
from dashboard.view import View
from tests.navigated import Navigated
from tests.subjects import loaded_sample
from tests.test_page_start import own_mlp

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_items")]

APP = str(Path(__file__).parent.parent / "app.py")
ANN, BEN = "a" * 32, "b" * 32

Opened = Callable[..., AppTest]


def pruned(sparsity: float) -> ResolvedRecipe:
    return ResolvedRecipe((("fc1", (Step.of("magnitude", sparsity=sparsity),)),))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace on the disk; every call of the app opens it anew, as another server would."""
    monkeypatch.setattr(engine, "workspace", lambda: Workspace.at(tmp_path))
    monkeypatch.setattr(header, "_fill_accuracy", lambda *_: None)  # slow, and tested elsewhere
    monkeypatch.setattr(app_test, "PagesManager", Navigated)
    return tmp_path


@pytest.fixture
def opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A new session of a visitor, at an address."""

    def open_app(
        word: str | None, address: dict[str, str] | None = None, *, brings: WidgetStates | None = None
    ) -> AppTest:
        monkeypatch.setattr(dashboard.visitor, "_from_cookie", lambda: word)
        app = AppTest.from_file(APP, default_timeout=90)
        for key, value in (address or {}).items():
            app.query_params[key] = value
        return fine(app._run(brings))

    return open_app


def fine(app: AppTest) -> AppTest:
    assert not app.exception, [error.message for error in app.exception]
    return app


def view(app: AppTest) -> View:
    found: View = app.session_state[state.KEY]
    return found


def address(app: AppTest) -> dict[str, str]:
    return {
        key: values[0] if isinstance(values, list) else values for key, values in app.query_params.items()
    }


def worked(opened: Opened, word: str | None) -> AppTest:
    """Somebody who opened the demo and took a step back."""
    app = opened(word)
    fine(app.button(key="slimscope.start.demo").click().run())
    return fine(app.button(key="slimscope.undo").click().run())


def test_a_reload_finds_the_way_back_and_forth(opened: Opened) -> None:
    app = worked(opened, ANN)
    again = opened(ANN, address(app))
    assert replace(view(again), version=0) == replace(view(app), version=0)
    assert view(again).future


def test_a_new_tab_offers_the_work_and_opens_it_where_it_was_left(opened: Opened) -> None:
    before = worked(opened, ANN)
    app = opened(ANN)
    fine(app.button(key="slimscope.start.saved.lenet5").click().run())
    assert replace(view(app), version=0) == replace(view(before), version=0)


def test_a_second_tab_goes_its_own_way_and_destroys_nothing_of_the_first(opened: Opened) -> None:
    first = worked(opened, ANN)
    second = opened(ANN, {"m": "lenet5"})
    assert view(second).future == view(first).future
    fine(second.button(key="slimscope.redo").click().run())
    assert view(opened(ANN, address(first))).future
    assert not view(opened(ANN, address(second))).future


def test_a_copied_address_takes_a_word_of_its_own_once_both_tabs_are_at_work(opened: Opened) -> None:
    first = worked(opened, ANN)
    copied = opened(ANN, address(first))
    fine(copied.button(key="slimscope.redo").click().run())
    fine(first.run())
    assert address(first)["t"] != address(copied)["t"]
    assert view(opened(ANN, address(first))).future
    assert not view(opened(ANN, address(copied))).future


@pytest.mark.parametrize("said", ["", "0" * 7, "../../etc", "ABCDEF01", "0" * 9])
def test_a_word_that_is_none_of_ours_is_not_taken_from_an_address(opened: Opened, said: str) -> None:
    assert address(opened(ANN, {"m": "lenet300", "t": said}))["t"] != said


@pytest.mark.usefixtures("all_items")
def test_back_and_forward_lead_through_the_edits_and_try_nothing(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(ANN)
    fine(app.button(key="slimscope.start.demo").click().run())
    here = address(app)
    fine(app.button(key="slimscope.undo").click().run())
    before = address(app)
    monkeypatch.setattr("dashboard.page_address._was_led_by_browser", lambda: True)
    for there, steps in ((here, (1, 0)), (before, (0, 1)), (here, (1, 0))):
        for key in set(address(app)) - set(there):
            del app.query_params[key]
        for key, value in there.items():
            app.query_params[key] = value
        fine(app.run())
        assert address(app) == there
        assert (len(view(app).past), len(view(app).future)) == steps
    lines = Workspace.at(engine.workspace().folder or Path()).trials
    assert lines.count(ANN, dashboard.trial_log.log_of(loaded_sample("lenet5"))) == 1


DRAWN = WidgetStates(widgets=[WidgetState(id="$$ID-0123-None", string_value="drawn")])


def test_a_page_that_comes_back_shows_what_was_done_since_its_address_was_written(opened: Opened) -> None:
    app = worked(opened, ANN)
    before = address(app)
    fine(app.button(key="slimscope.redo").click().run())
    assert address(app) != before
    assert view(opened(ANN, before, brings=DRAWN)).lineage == view(app).lineage
    assert view(opened(ANN, before)).lineage == ()


def test_a_page_that_comes_back_shows_its_address_where_that_knows_more_than_the_disk(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = worked(opened, ANN)
    unsaved = dashboard.links.encoded(lineage_as_json(compressed_by(pruned(0.3))))
    back = opened(ANN, address(app) | {"h": unsaved}, brings=DRAWN)
    assert view(back).recipe == pruned(0.3)

    here = address(app)
    monkeypatch.setattr(Sessions, "is_at_work", lambda *_: False)  # another tab has let go of it
    fine(app.button(key="slimscope.redo").click().run())
    assert view(opened(ANN, here, brings=DRAWN)).lineage == ()


def test_somebody_else_sees_the_model_of_a_link_and_nothing_more(opened: Opened) -> None:
    app = opened(ANN)
    fine(app.button(key="slimscope.start.demo").click().run())
    other = opened(BEN, address(app))
    assert view(other).lineage == view(app).lineage
    assert (view(other).past, view(other).future) == ((), ())
    assert not any(b.key == "slimscope.start.saved.lenet5" for b in opened("c" * 32).button)


def test_a_link_to_another_model_of_the_tree_keeps_what_the_visitor_had_one_step_back(opened: Opened) -> None:
    app = opened(ANN)
    fine(app.button(key="slimscope.start.demo").click().run())
    theirs = view(app).lineage
    elsewhere = opened(BEN, {"m": "lenet5"})
    again = opened(ANN, address(elsewhere) | {"r": address(app)["h"], "h": ""})
    assert view(again).lineage == theirs
    other = dashboard.links.encoded([["fc1", [Step.of("magnitude", sparsity=0.3).as_json()]]])
    moved = opened(ANN, {"m": "lenet5", "r": other})
    assert view(moved).recipe == pruned(0.3)
    assert undone(view(moved)).lineage == theirs


def test_work_that_was_let_go_is_offered_no_more(opened: Opened) -> None:
    worked(opened, ANN)
    app = opened(ANN)
    fine(app.button(key="slimscope.start.forget.lenet5").click().run())
    assert not any(b.key == "slimscope.start.saved.lenet5" for b in opened(ANN).button)


def test_an_uploaded_model_is_there_after_a_reload_for_its_owner_alone(opened: Opened) -> None:
    app = opened(ANN)
    weights = save(dict(loaded_sample("lenet300").network.state_dict()))
    app.file_uploader[0].upload("mine.safetensors", weights)
    fine(fine(app.run()).button(key="slimscope.start.read").click().run())
    fine(app.button(key="slimscope.start.tune").click().run())
    again = opened(ANN, address(app))
    assert view(again).model == view(app).model
    stranger = opened(BEN, address(app))
    assert state.KEY not in stranger.session_state
    assert any("upload the same file" in warning.value for warning in stranger.warning)


def test_a_browser_without_a_word_gets_one_and_keeps_it_for_the_session(opened: Opened) -> None:
    app = worked(opened, None)
    word = app.session_state["slimscope.visitor"]
    assert replace(view(opened(word, address(app))), version=0) == replace(view(app), version=0)


lineages = st.sampled_from([0.1, 0.3, 0.5, 0.7]).map(lambda share: compressed_by(pruned(share))) | st.just(())


@given(st.lists(lineages, max_size=8), st.integers(0, 4), lineages)
def test_being_led_elsewhere_arrives_there_and_loses_nothing(
    steps: list[tuple[object, ...]], back: int, there: tuple[object, ...]
) -> None:
    here = View("lenet300", (), "fc1")
    for lineage in steps:
        here = here.moved(lineage)  # type: ignore[arg-type]
    for _ in range(back):
        here = undone(here)
    led = led_back(here, there)  # type: ignore[arg-type]
    assert led.lineage == there
    assert led.trials == here.trials
    known = {here.lineage, *here.past, *here.future}
    assert known <= {led.lineage, *led.past, *led.future} or there not in known


@given(st.lists(lineages, max_size=8), st.integers(0, 4))
def test_undo_and_redo_take_each_other_back(steps: list[tuple[object, ...]], back: int) -> None:
    start = View("lenet300", (), "fc1")
    here = start
    for lineage in steps:
        here = here.moved(lineage)  # type: ignore[arg-type]
    there = here
    taken = min(back, len(here.past))
    for _ in range(taken):
        there = undone(there)
    for _ in range(taken):
        there = redone(there)
    assert replace(there, version=0) == replace(here, version=0)


def test_locks_jobs_and_the_selected_layer_come_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard.visitor, "_from_cookie", lambda: ANN)
    monkeypatch.setattr(streamlit, "session_state", {})
    subject = loaded_sample("lenet300")
    kept = View(
        "lenet300",
        compressed_by(pruned(0.5)),
        "fc2",
        seed=3,
        locked=frozenset({"fc3"}),
    )
    dashboard.visitor_jobs.remember_jobs({"key": "Explain 64 samples"})
    dashboard.saved_work.save(kept, subject)
    del streamlit.session_state[dashboard.visitor_jobs.KEY]
    found = dashboard.saved_work.restored("lenet300", subject)
    assert found == replace(kept, version=1), "widgets of an earlier server have other keys"
    assert dashboard.visitor_jobs.jobs_of_visitor() == {"key": "Explain 64 samples"}
    (saved,) = dashboard.saved_work.others([])
    assert (saved.model, saved.layers, saved.name) == ("lenet300", 1, pruned(0.5).sha[:8])
    assert dashboard.saved_work.others(["lenet300"]) == ()


def start_with(app: AppTest, *numbers: int) -> AppTest:
    """Upload networks of these numbers one after the other, of which nobody opens any."""
    fine(app.switch_page("pages/start.py").run())
    for number in numbers:
        app.file_uploader[0].clear().upload(f"net{number}.safetensors", save(own_mlp(number).state_dict()))
        fine(fine(app.run()).button(key="slimscope.start.read").click().run())
    return app


def recent(app: AppTest) -> set[str]:
    return {
        one.label.removeprefix("Continue with ")
        for one in app.button
        if one.label.startswith("Continue with")
    }


def test_an_upload_that_nobody_edited_stays_in_recent_work_whatever_is_uploaded_or_opened_next(
    opened: Opened,
) -> None:
    numbers = range(upload_model.MOST_KEPT + 2)
    every = {f"net{number}" for number in numbers}
    app = start_with(opened(ANN), *numbers)
    assert not app.info, "nothing is lost, so nothing is said"
    fine(app.run())
    assert recent(app) == every
    fine(app.button(key="slimscope.start.sample.tabular").click().run())
    assert recent(fine(app.switch_page("pages/start.py").run())) > every
    assert not recent(opened(BEN)), "each visitor's own"
    again = opened(ANN)
    assert recent(again) > every
    first = next(one for one in again.button if one.label == "Continue with net0")
    fine(first.click().run())
    assert engine_title(again) == "net0"


def engine_title(app: AppTest) -> str:
    """What the open model is called."""
    return app.session_state[state.UPLOADS][view(app).model].title


def test_an_upload_is_let_go_at_once_where_nothing_was_done_to_it(opened: Opened) -> None:
    start_with(opened(ANN), 0, 1)
    app = opened(ANN)
    (gone, _kept) = (one.key for one in app.button if str(one.key).startswith("slimscope.start.forget.own-"))
    fine(app.button(key=gone).click().run())
    assert len(recent(app)) == 1
    assert recent(opened(ANN)) == recent(app)
    assert recent(opened(ANN)) == recent(app)


def test_start_says_when_nothing_will_outlive_the_server(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file where the folder should be")
    monkeypatch.setattr(engine, "workspace", lambda: open_workspace({"SLIMSCOPE_WORKSPACE": str(taken)}))
    assert any("nothing outlives this run" in warning.value for warning in opened(ANN).warning)


def test_a_workspace_that_takes_nothing_costs_a_sentence_and_no_work(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise Refused("The workspace could not be written.")

    app = opened(ANN)
    monkeypatch.setattr(Sessions, "save", full)
    fine(app.button(key="slimscope.start.demo").click().run())
    assert view(app).recipe
    assert any("could not be written" in warning.value for warning in app.warning)


def test_equal_weights_with_other_calibration_items_have_keys_of_their_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard.visitor, "_from_cookie", lambda: ANN)
    monkeypatch.setattr(streamlit, "session_state", {})
    subject = loaded_sample("lenet300")
    calibration = subject.split("calibration")
    fewer = Split("calibration", calibration.inputs[:50], None)
    other = replace(subject, splits={**subject.splits, "calibration": fewer})
    measured = compressed_by(ResolvedRecipe((("fc1", (Step.of("wanda", sparsity=0.5),)),)))
    for one in (subject, other):
        dashboard.saved_work.save(View("lenet300", measured, "fc1"), one)
        (saved,) = Workspace.at(folder).sessions.of(ANN)
        assert saved.content["at"] == key_of(one, measured)
