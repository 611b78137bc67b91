"""Messages of a table and of sliders are done once, in order, whatever run is overtaken."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import numpy as np
import pytest
import streamlit as st
from streamlit.runtime.scriptrunner_utils.exceptions import StopException

from compress_core.apply.lineage import compressed_by
from dashboard import hearing, saved_work, state, trial_log
from dashboard.layer_list import layer_list as module
from dashboard.layer_list.layer_list import Message, Typed
from dashboard.live_slider import live_slider
from dashboard.live_slider.live_table import LiveTable
from dashboard.undo import undone
from tests.layer_rows import message
from tests.test_trial_log import moved, pruned, start, subject  # noqa: F401 - a fixture

LAYERS = frozenset({"fc1", "fc2"})
SAID = [message("fc1", "prune", "50"), message("fc2", "prune", "60")]


class Overtaken:
    """Does what a table says, and is stopped by Streamlit at the moments given, before or after it."""

    def __init__(self, *stops: str) -> None:
        self.done: list[Message] = []
        self.stops = list(stops)

    def __call__(self, message: Message) -> None:
        stop = self.stops.pop(0) if self.stops else ""
        if stop == "before":
            raise StopException
        self.done.append(message)
        if stop == "after":
            raise StopException


def hear_as(table: Overtaken) -> None:
    """What the table says is heard, whatever that is overtaken by."""
    st.session_state["table"] = {"said": [one | {"session": module.session_word()} for one in SAID]}
    hearing.listen("table", partial(module._hear, "table", LAYERS, table))
    hear_all()


def hear_all() -> None:
    """One run after another, until none is overtaken."""
    while True:
        try:
            hearing.hear_all()
        except StopException:
            continue
        return


@pytest.mark.parametrize(
    "stops", [(), ("before",), ("before", "before"), ("", "before"), ("before", "", "before")]
)
def test_what_a_run_was_overtaken_in_is_done_by_the_next_one(
    monkeypatch: pytest.MonkeyPatch, stops: tuple[str, ...]
) -> None:
    monkeypatch.setattr(st, "session_state", {})
    table = Overtaken(*stops)
    hear_as(table)
    hearing.hear_all()
    assert table.done == [Typed("fc1", "prune", "50"), Typed("fc2", "prune", "60")]


def test_what_was_done_but_not_noted_is_done_again_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    table = Overtaken("after")
    hear_as(table)
    assert table.done == [Typed("fc1", "prune", "50")] * 2 + [Typed("fc2", "prune", "60")]


@pytest.mark.parametrize(
    ("stops", "done"), [((), [0.5]), (("before", "before"), [0.5]), (("after",), [0.5, 0.5])]
)
def test_a_slider_whose_run_was_overtaken_moves_in_the_next_one(
    monkeypatch: pytest.MonkeyPatch, stops: tuple[str, ...], done: list[float]
) -> None:
    monkeypatch.setattr(st, "session_state", {})
    moves, left = list[float](), list(stops)

    def move(place: float) -> None:
        stop = left.pop(0) if left else ""
        moves.extend([] if stop == "before" else [place])
        if stop:
            raise StopException

    commit = {"value": 0.52, "serial": "1", "session": live_slider.session_word()}
    st.session_state["slider"] = {"commit": commit}
    knob = live_slider._Knob(LiveTable(np.array([0.0, 0.5, 1.0])), step=None)
    hearing.listen("slider", partial(live_slider._hear, knob, "slider", move))
    hear_all()
    assert moves == done
    hearing.hear_all()
    assert moves == done, "heard once it is done"


def test_who_hears_for_what_the_page_draws_no_more_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {"drawn": {}})
    asked = list[str]()
    for key in ("drawn", "gone"):
        hearing.listen(key, partial(asked.append, key))
    hearing.forget()
    hearing.hear_all()
    assert asked == ["drawn"]


@pytest.mark.parametrize(("error", "moves"), [(MemoryError, [0.5]), (StopException, [0.5, 0.5])])
def test_what_fails_is_not_tried_in_every_run_to_come(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException], moves: list[float]
) -> None:
    monkeypatch.setattr(st, "session_state", {})
    tried = list[float]()

    def move(place: float) -> None:
        tried.append(place)
        raise error

    commit = {"value": 0.5, "serial": "1", "session": live_slider.session_word()}
    st.session_state["slider"] = {"commit": commit}
    knob = live_slider._Knob(LiveTable(np.array([0.0, 0.5, 1.0])), step=None)
    hearing.listen("slider", partial(live_slider._hear, knob, "slider", move))
    with pytest.raises(error):
        hearing.hear_all()
    with suppress(error):
        hearing.hear_all()
    assert tried == moves


def test_whoever_hears_may_ask_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    asked: list[object] = []
    hearing.listen("table", lambda: asked.append(state.current()))
    assert state.current() is None
    assert asked == [None]


def test_a_button_finds_the_edit_done_that_was_made_before_it_was_pressed(subject: object) -> None:  # noqa: F811
    moved(start(), pruned(0.5))
    said = [pruned(0.8)]
    hearing.listen("table", lambda: said and moved(state.required(), said.pop()))
    state.keep(undone(state.required()))
    assert state.required().recipe == pruned(0.5)
    assert state.required().future == (compressed_by(pruned(0.8)),)


def test_an_edit_that_was_kept_when_its_run_was_overtaken_is_written_by_the_next(
    subject: object,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view = moved(start(), pruned(0.5))

    def stop(*_: object) -> None:
        raise StopException

    with monkeypatch.context() as overtaken:
        overtaken.setattr(saved_work, "save", stop)
        with pytest.raises(StopException):
            moved(view, pruned(0.8))
    assert state.required().recipe == pruned(0.8)
    moved(state.required(), pruned(0.9))
    assert trial_log.count(state.subject(view)) == 3, "each edit has its line"
