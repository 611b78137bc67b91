"""What pages need not wait for: one wish a session, in turn, and the header that shows what came of it."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import Future, wait
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from compress_core.apply.model import Model
from compress_core.foundation.cached import cached_property
from compress_core.foundation.store import Store
from dashboard import engine
from dashboard.background import Background
from dashboard.links import encoded
from dashboard.tune import layer_table
from dashboard.view import View
from tests.header_boxes import header_text
from tests.subjects import loaded_sample

APP = str(Path(__file__).parent.parent / "app.py")
SECONDS = 180


class _Gate:
    """Work that lasts until it is let through."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.open.wait(SECONDS)


def _held(background: Background) -> _Gate:
    """A thread that is at work for a session `first`, so that all others wait."""
    gate = _Gate()
    background.wish("first", "held", gate)
    assert gate.begun.wait(SECONDS)
    return gate


def test_sessions_are_served_in_the_order_in_which_they_came() -> None:
    background, done = Background(), []
    gate = _held(background)
    wishes = [background.wish(name, "key", lambda name=name: done.append(name)) for name in "abc"]
    gate.open.set()
    wait(wishes, SECONDS)
    assert done == ["a", "b", "c"]


def test_a_newer_wish_of_a_session_takes_the_place_of_its_older_one() -> None:
    background, done = Background(), []
    gate = _held(background)
    older = background.wish("a", "older", lambda: done.append("older"))
    other = background.wish("b", "other", lambda: done.append("other"))
    newer = background.wish("a", "newer", lambda: done.append("newer"))
    gate.open.set()
    wait([newer, other], SECONDS)
    assert older.cancelled()
    assert done == ["newer", "other"]


def test_whoever_asks_again_hears_what_became_of_it_even_of_an_error() -> None:
    background, tried = Background(), []

    def fails() -> None:
        tried.append(1)
        raise ValueError("no")

    first: Future[None] = background.wish("a", "key", fails)
    wait([first], SECONDS)
    assert background.wish("a", "key", fails) is first
    assert isinstance(first.exception(), ValueError)
    assert tried == [1]


def test_what_is_made_for_somebody_goes_with_them() -> None:
    store, background = Store(), Background()
    for owner in ("mine", ""):
        store.owner(owner)
        over = background.wish(owner, "key", lambda made=f"made for {owner}": store.get(made, lambda: 1))
        wait([over], SECONDS)
    store.forget("mine")
    assert not store.has("made for mine")
    assert store.has("made for ")


def test_nothing_else_is_begun_while_another_tab_waits_for_its_accuracy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accuracy, model = Background(), Model.original(loaded_sample("tabular"))
    monkeypatch.setattr(engine, "background", lambda: accuracy)
    monkeypatch.setattr(engine, "session_id", lambda: "second")
    monkeypatch.setattr(engine, "store", Store().without_workspace)
    monkeypatch.setattr(engine.st, "session_state", {engine._RESTING: model.key})
    others = [Background(), Background(), Background()]
    monkeypatch.setattr(engine, "background_of_outputs", lambda: others[0])
    monkeypatch.setattr(engine, "packing", lambda: others[1])
    monkeypatch.setattr(engine, "comparing", lambda: others[2])
    assert engine.compared_within(SECONDS, "done before", list)
    gate = _held(accuracy)
    assert engine.compared_within(0, "done before", list)
    assert not engine.outputs_measured_within(SECONDS, model, ("fc1",), "")
    assert engine.packed_size_if_known(model) is None
    assert not engine.compared_within(SECONDS, "key", list)
    assert not any(other.others_wait("nobody") for other in others)
    gate.open.set()
    accuracy.close()
    assert engine.outputs_measured_within(SECONDS, model, ("fc1",), "")


@pytest.mark.parametrize(("in_time", "asked"), [(0, 1), (2, 3), (9, 3)])
def test_the_layer_table_waits_a_moment_for_as_many_layers_as_are_measured_in_it(
    in_time: int, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers, wishes = tuple(f"layer{i}" for i in range(10)), []

    def measured_within(seconds: float, _model: Model, names: tuple[str, ...], _owner: str) -> bool:
        assert 0 <= seconds <= engine.AT_ONCE_S
        wishes.append(names)
        return len(wishes) <= in_time

    monkeypatch.setattr(engine, "store", Store)
    monkeypatch.setattr(engine, "outputs_measured_within", measured_within)
    monkeypatch.setattr(layer_table, "layers_to_measure", lambda *_: layers)
    waiting = layer_table._waiting(View("tabular", (), "fc1"), Model.original(loaded_sample("tabular")))
    assert waiting == layers[4 * in_time :]
    assert wishes == [layers[:4], layers[4:8], layers[8:]][:asked]


def test_a_session_knows_whether_others_wait_but_not_of_itself() -> None:
    background = Background()
    gate = _held(background)
    assert background.others_wait("second")
    assert not background.others_wait("first")
    gate.open.set()


def _opened_once_it_closes(background: Background, gate: threading.Event) -> None:
    with background._changed:
        background._changed.wait_for(lambda: background._ends)
    gate.set()


def test_closing_ends_the_work_at_hand_and_begins_nothing_more() -> None:
    background, done = Background(), []
    gate = _held(background)
    background.wish("a", "key", lambda: done.append("late"))
    threading.Thread(target=_opened_once_it_closes, args=(background, gate.open)).start()
    background.close()
    assert not background._thread.is_alive()
    assert not done


@pytest.mark.slow
def test_numbers_of_the_first_items_stand_until_those_of_all_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits for the whole split where others are served first, and the figures say so."""
    monkeypatch.setattr(engine, "AT_ONCE_S", 0)
    monkeypatch.setattr(engine, "PATIENCE_S", 0)
    gate = _held(engine.background())
    app = AppTest.from_file(APP, default_timeout=SECONDS)
    app.query_params["m"] = "lenet300"
    app.query_params["r"] = encoded([["fc2", [{"technique": "magnitude", "sparsity": 0.31}]]])
    app.run()
    assert not app.exception
    assert "Accuracy on validation, N = 500 of 6,000 …" in header_text(app)
    assert "N = 6,000" not in header_text(app), "neither on a box nor in it"
    gate.open.set()
    wait([over for _, over in engine.background()._newest.values()], SECONDS)
    app.run()
    assert "Accuracy on validation, N = 6,000" in header_text(app)
    assert "N = 500" not in header_text(app)


@pytest.mark.slow
def test_what_was_imported_is_frozen_out_of_every_collection_of_garbage() -> None:
    gc.unfreeze()  # what the tests themselves froze
    engine.warming_up.clear()
    engine.warm()
    assert gc.get_freeze_count() > 50_000


class _Slow:
    gates: dict[str, _Gate]

    def __init__(self, name: str, gates: dict[str, _Gate]) -> None:
        self.name, self.gates = name, gates

    @cached_property
    def value(self) -> str:
        """Its name, when the gate opens."""
        self.gates[self.name]()
        return self.name


def test_a_cached_property_of_one_instance_does_not_wait_for_that_of_another() -> None:
    gates = {"a": _Gate(), "b": _Gate()}
    one, other = _Slow("a", gates), _Slow("b", gates)
    threads = [threading.Thread(target=lambda s=s: s.value, daemon=True) for s in (one, other)]
    for thread in threads:
        thread.start()
    assert all(gate.begun.wait(SECONDS) for gate in gates.values())
    for gate in gates.values():
        gate.open.set()
    for thread in threads:
        thread.join(SECONDS)
    assert (one.value, other.value) == ("a", "b")
