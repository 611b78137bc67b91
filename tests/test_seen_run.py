"""What a browser tells of a widget that it has not drawn anew is no wish; what a hand did is one."""

from __future__ import annotations

import pytest
import streamlit as st

from dashboard.bound_widget import by_hand
from dashboard.seen_run import KEY, is_moved, mark, note

BOX = "box"


@pytest.fixture(autouse=True)
def _session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "text_input", lambda *_, **__: None)


def run(value: object) -> str:
    """A run that writes a value into the box; gives what a browser tells that has drawn it."""
    note(BOX, value)
    mark()
    told: str = st.session_state[KEY]
    return told


def tells(value: object, seen: str | None) -> bool:
    """Whether a request with this value of the box, from a browser that shows that run, moves it."""
    st.session_state.update({BOX: value, KEY: seen})
    return is_moved(BOX)


def test_a_value_that_a_run_replaced_is_a_wish_once_the_browser_has_drawn_that_run() -> None:
    before = run("")
    after = run("magnitude")
    assert not tells("", before)
    assert not tells("magnitude", before)
    assert tells("", after)


def test_what_is_shown_is_remembered_while_no_run_changes_it() -> None:
    first = run("")
    last = [run("") for _ in range(3)][-1]
    assert not tells("", first)
    assert not tells("", last)
    assert tells("random", last)


def test_a_hand_that_goes_back_faster_than_the_page_is_heard_both_times() -> None:
    seen = run(False)
    assert tells(True, seen)
    assert tells(False, seen)


def test_a_value_is_old_however_often_it_was_replaced_since() -> None:
    seen = run("")
    run("magnitude")
    run("wanda")
    assert not any(tells(value, seen) for value in ("", "magnitude", "wanda"))
    assert tells("random", seen)


def test_before_the_first_run_has_ended_a_hand_can_move_what_stands_there() -> None:
    note(BOX, "")
    assert not tells("", None)
    assert tells("magnitude", None)


def test_a_run_that_was_overtaken_before_its_end_leaves_what_the_browser_shows() -> None:
    seen = run("")
    note(BOX, "magnitude")
    note(BOX, "magnitude")
    assert not tells("", seen)
    assert tells("", run("magnitude"))


def test_a_run_that_is_overtaken_while_it_marks_its_end_shares_its_number_with_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def overtaken(*_: object, **__: object) -> None:
        raise RuntimeError

    note(BOX, "")
    with monkeypatch.context() as stopped:
        stopped.setattr(st, "text_input", overtaken)
        with pytest.raises(RuntimeError):
            mark()
    seen = st.session_state[KEY]
    run("magnitude")
    assert not tells("", seen)


@pytest.mark.parametrize("said", ["0123abcd-7", "7", "", f"0123abcd-{'9' * 99}", 7])
def test_a_browser_that_shows_a_run_of_another_server_wishes_nothing(said: object) -> None:
    run("magnitude")
    assert not tells("", said)  # type: ignore[arg-type]


def test_the_callback_of_a_widget_acts_only_for_a_hand() -> None:
    done: list[str] = []
    callback = by_hand(BOX, done.append, "done")
    seen = run("")
    st.session_state.update({BOX: "", KEY: seen})
    callback()
    assert not done
    st.session_state[BOX] = "magnitude"
    callback()
    assert done == ["done"]
