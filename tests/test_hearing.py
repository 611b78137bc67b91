"""Messages of a table are done once, in order and before anything else, whatever run is overtaken."""

from __future__ import annotations

from functools import partial

import pytest
import streamlit as st
from streamlit.runtime.scriptrunner_utils.exceptions import StopException

from compress_core.apply.lineage import compressed_by
from dashboard import hearing, saved_work, state, trial_log
from dashboard.layer_list import layer_list as module
from dashboard.layer_list.layer_list import Message, Typed
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
    """One run after another, until none is overtaken."""
    st.session_state["table"] = {"said": [one | {"session": module.session_word()} for one in SAID]}
    hearing.listen("table", partial(module._hear, "table", LAYERS, table))
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
