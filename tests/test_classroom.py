"""A class as a value: whatever its pupils do in whatever order, each counts once; and who may do what."""

from __future__ import annotations

import threading
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress_core.foundation.errors import Refused
from dashboard.learn.classroom import open_class
from dashboard.learn.classroom.class_register import (
    CODE,
    IDLE_S,
    MOST_CLASSES,
    ClassRegister,
    new_code,
)
from dashboard.learn.classroom.classroom import MOST_PUPILS, Classroom, Pupil

VISITORS, LESSONS = "abcd", ("one", "other")
acts = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("join", "leave")), st.sampled_from(VISITORS)),
        st.tuples(
            st.just("commit"), st.sampled_from(VISITORS), st.sampled_from(LESSONS), st.integers(0, 100)
        ),
        st.tuples(st.just("answer"), st.sampled_from(VISITORS), st.sampled_from(LESSONS), st.integers(0, 2)),
        st.tuples(st.just("reveal"), st.sampled_from(LESSONS)),
    ),
    max_size=20,
)


def done(classroom: Classroom, act: tuple[str, ...]) -> Classroom:
    match act:
        case ("join", visitor):
            return classroom.joined(visitor)
        case ("leave", visitor):
            return classroom.left(visitor)
        case ("commit", visitor, lesson, predicted):
            return classroom.committed(visitor, lesson, float(predicted))
        case ("answer", visitor, lesson, place):
            return classroom.answered_after(visitor, lesson, (int(place), None, None))
        case (_, lesson):
            return classroom.revealing(lesson)
    raise AssertionError(act)


@settings(max_examples=30)
@given(acts)
def test_each_visitor_counts_once_whatever_all_of_them_do(history: list[tuple[str, ...]]) -> None:
    classroom, inside, last, open_to_all = Classroom(), set[str](), dict[tuple[str, str], float](), set[str]()
    for act in history:
        classroom = done(classroom, act)
        match act:
            case ("join", visitor):
                inside.add(visitor)
            case ("leave", visitor):
                inside.discard(visitor)
                last = {key: value for key, value in last.items() if key[0] != visitor}
            case ("commit", visitor, lesson, predicted) if visitor in inside and lesson not in open_to_all:
                last[visitor, lesson] = float(predicted)
            case ("reveal", lesson):
                open_to_all.add(lesson)
        assert set(classroom.pupils) == inside
        for lesson in LESSONS:
            assert classroom.predictions(lesson) == tuple(
                sorted(v for (_, at), v in last.items() if at == lesson)
            )


def test_a_second_tab_replaces_what_the_first_one_said() -> None:
    classroom = Classroom().joined("a").committed("a", "one", 10.0)
    assert classroom.joined("a").predictions("one") == (10.0,)
    assert classroom.joined("a").committed("a", "one", 20.0).predictions("one") == (20.0,)


def test_what_is_revealed_stays_as_it_was_predicted() -> None:
    classroom = Classroom().joined("a").joined("b").committed("a", "one", 10.0).revealing("one")
    late = classroom.committed("a", "one", 50.0).committed("b", "one", 50.0)
    assert late.predictions("one") == (10.0,)
    assert late.committed("b", "other", 7.0).predictions("other") == (7.0,)


def test_who_is_not_in_the_class_says_nothing_in_it() -> None:
    classroom = Classroom()
    assert classroom.committed("a", "one", 1.0) is classroom
    assert classroom.answered_before("a", "one", (0, 0, 0)) is classroom
    assert classroom.answered_after("a", "one", (0, 0, 0)) is classroom


def test_after_a_lesson_the_first_answer_counts_and_before_it_the_last() -> None:
    classroom = Classroom().joined("a")
    classroom = classroom.answered_before("a", "one", (1, None, 0)).answered_before("a", "one", (2, 2, None))
    assert classroom.pupils["a"].before["one"] == (2, 2, None)
    classroom = classroom.answered_after("a", "one", (1, None, None)).answered_after("a", "one", (0, 2, None))
    assert classroom.pupils["a"].after["one"] == (1, 2, None)


def test_who_has_seen_what_is_right_does_not_answer_before_the_lesson_any_more() -> None:
    classroom = Classroom().joined("a").answered_after("a", "one", (0, None, None))
    assert classroom.answered_before("a", "one", (0, 0, 0)).pupils["a"].before == {}


def test_a_pupil_has_no_name() -> None:
    assert {field.name for field in fields(Pupil)} == {"predictions", "before", "after"}


def test_a_full_class_takes_nobody_else_and_keeps_those_it_has() -> None:
    classroom = Classroom(pupils={str(number): Pupil() for number in range(MOST_PUPILS)})
    assert classroom.joined("0") is classroom
    with pytest.raises(Refused, match=f"This class has {MOST_PUPILS} pupils.*you have no place in it"):
        classroom.joined("another")


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_class_is_found_by_its_code_alone() -> None:
    held = ClassRegister()
    code = held.start("teacher")
    assert CODE.fullmatch(code)
    assert held.found(code) == Classroom()
    assert held.found("") is held.found("no such code") is held.found(code.upper()) is None
    assert held.change("no such code", lambda classroom: classroom.joined("a")) is None


def test_codes_differ_and_can_be_read_out() -> None:
    codes = {new_code() for _ in range(100)}
    assert len(codes) == 100
    assert all(CODE.fullmatch(code) for code in codes)


def test_only_who_started_a_class_is_its_teacher_and_ends_it() -> None:
    held = ClassRegister()
    code = held.start("teacher")
    held.change(code, lambda classroom: classroom.joined("pupil"))
    assert held.is_teacher(code, "teacher")
    assert not held.is_teacher(code, "pupil")
    assert not held.is_teacher("no such code", "teacher")
    held.end(code, "pupil")
    assert held.found(code) is not None
    held.end(code, "teacher")
    assert held.found(code) is None
    assert held.code_of("teacher") == ""


def test_a_teacher_holds_one_class() -> None:
    held = ClassRegister()
    assert held.start("teacher") == held.start("teacher") == held.code_of("teacher")
    assert held.start("colleague") != held.code_of("teacher")


def test_a_class_ends_when_nobody_does_anything_and_looking_on_is_nothing() -> None:
    clock = _Clock()
    held = ClassRegister(clock)
    code = held.start("teacher")
    clock.now = IDLE_S
    held.change(code, lambda classroom: classroom.joined("a"))
    clock.now = 2 * IDLE_S
    assert held.found(code) is not None
    held.change(code, lambda classroom: classroom.joined("a"))
    clock.now += 1
    held.forget_idle()
    assert held.found(code) is None
    assert vars(held)["_held"] == {}


def test_a_server_holds_so_many_classes_and_says_when_there_is_no_room() -> None:
    clock = _Clock()
    held = ClassRegister(clock)
    for number in range(MOST_CLASSES):
        held.start(str(number))
    with pytest.raises(Refused, match=f"holds {MOST_CLASSES} classes"):
        held.start("another")
    assert held.start("0") == held.code_of("0")
    clock.now = IDLE_S + 1
    assert held.start("another")


def test_what_an_act_raises_changes_nothing() -> None:
    held = ClassRegister()
    code = held.start("teacher")

    def refusing(_classroom: Classroom) -> Classroom:
        raise Refused("no")

    with pytest.raises(Refused):
        held.change(code, refusing)
    assert held.change(code, lambda classroom: classroom.joined("a")) == Classroom().joined("a")


def test_no_act_is_lost_when_all_act_at_once() -> None:
    held = ClassRegister()
    code = held.start("teacher")
    at_once = threading.Barrier(8)

    def work(name: str) -> None:
        at_once.wait()
        for turn in range(20):
            held.change(code, lambda classroom: classroom.joined(f"{name}.{turn}"))  # noqa: B023 - called at once
            held.change(code, lambda classroom: classroom.committed(f"{name}.{turn}", "one", turn))  # noqa: B023

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = held.found(code)
    assert found is not None
    assert found.predictions("one") == tuple(sorted([*range(20)] * 8))


def test_only_the_teacher_reveals(monkeypatch: pytest.MonkeyPatch) -> None:
    held = ClassRegister()
    code = held.start("teacher")
    monkeypatch.setattr(open_class, "register", lambda: held)
    monkeypatch.setattr(open_class.SharedChoice, "chosen", lambda _choice: code)
    for visitor, seen in (("pupil", frozenset()), ("teacher", frozenset({"one"}))):
        monkeypatch.setattr(open_class, "visitor", lambda visitor=visitor: visitor)
        open_class.reveal("one")
        found = held.found(code)
        assert found is not None
        assert found.revealed == seen
