"""Lines of the log without numbers: what the button does, and what is said of those that stay without."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from compress_core.apply.groups_needed import NeededGroups
from compress_core.foundation.errors import Refused
from compress_core.subject.subject import Subject
from dashboard import engine, long_searches, state, trial_log
from dashboard.long_searches import GroupsNotFoundError
from dashboard.tune import unmeasured
from dashboard.tune.trial_words import described
from dashboard.view import View
from tests.test_trial_log import moved, pruned, subject  # noqa: F401 - a fixture

Shown = dict[str, list[str]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What is drawn, and which lines are asked for in the background, where each is done at once."""
    found: Shown = {"button": [], "caption": [], "asked": []}

    def done(_seconds: float, key: str, work: Callable[[], object]) -> bool:
        found["asked"].append(key)
        with suppress(Refused):  # as the thread keeps an error to itself
            work()
        return True

    monkeypatch.setattr(engine, "compared_within", done)
    monkeypatch.setattr(unmeasured.st, "button", lambda text, **_: found["button"].append(text))
    monkeypatch.setattr(unmeasured.st, "caption", found["caption"].append)
    monkeypatch.setattr(unmeasured.st, "fragment", lambda drawn, **_: drawn)
    monkeypatch.setattr(unmeasured.st, "rerun", lambda: None)
    return found


@pytest.fixture
def lines(subject: Subject) -> tuple[str, str]:  # noqa: F811
    """Two models that were tried and left before they were measured, the older first."""
    state.keep(view := View("mlp", (), "fc1"))
    for share in (0.5, 0.9):
        view = moved(view, pruned(share))
    found = trial_log.lines(subject)
    assert [line.split for line in found] == ["", ""]
    return found[1].model, found[0].model


def drawn(of: Subject) -> None:
    unmeasured.draw(of, described(of, trial_log.lines(of)))


def test_nothing_is_measured_before_the_button_is_pressed(
    subject: Subject,  # noqa: F811
    lines: tuple[str, str],
    shown: Shown,
) -> None:
    drawn(subject)
    assert shown == {"button": ["Measure lines without numbers: 2"], "caption": [], "asked": []}


def test_pressed_button_measures_one_line_after_the_other_until_all_have_numbers(
    subject: Subject,  # noqa: F811
    lines: tuple[str, str],
    shown: Shown,
) -> None:
    unmeasured._switch(trial_log.log_of(subject))
    drawn(subject)
    assert shown["button"] == ["Stop measuring"]
    assert [line.split for line in trial_log.lines(subject)] == ["", "validation"]
    drawn(subject)
    told = trial_log.lines(subject)
    assert [line.split for line in told] == ["validation", "validation"]
    assert all(trial_log.CHANGE in line.numbers for line in told)
    assert [key.split(":")[1] for key in shown["asked"]] == list(lines)
    drawn(subject)
    assert len(shown["button"]) == 2, "nothing is left to measure"


def test_a_line_that_cannot_be_measured_says_why_and_the_next_one_is(
    subject: Subject,  # noqa: F811
    lines: tuple[str, str],
    shown: Shown,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = unmeasured.evaluate

    def refuses(model: object, *rest: object) -> object:
        if getattr(model, "key", "") == lines[0]:
            raise Refused("it answers nothing")
        return original(model, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(unmeasured, "evaluate", refuses)
    unmeasured._switch(trial_log.log_of(subject))
    for _ in range(2):
        drawn(subject)
    assert any("it answers nothing" in text for text in shown["caption"])
    assert [line.split for line in trial_log.lines(subject)] == ["validation", ""]


def test_a_line_whose_groups_nobody_knows_says_how_they_are_found_and_is_not_searched_here(
    subject: Subject,  # noqa: F811
    lines: tuple[str, str],
    shown: Shown,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed = NeededGroups(subject, (), (), subject)

    def refuse(*_given: object) -> None:
        raise GroupsNotFoundError(needed)

    engine.store().make_room(2**40)
    monkeypatch.setattr(long_searches, "refuse_long_search", refuse)
    monkeypatch.setattr(unmeasured, "is_left", lambda _needed: True)
    unmeasured._switch(trial_log.log_of(subject))
    for _ in range(2):
        drawn(subject)
    assert any("open this recipe" in text for text in shown["caption"])
    assert [line.split for line in trial_log.lines(subject)] == ["", ""]


def test_a_model_without_items_offers_no_measuring(
    subject: Subject,  # noqa: F811
    lines: tuple[str, str],
    shown: Shown,
) -> None:
    unmeasured.draw(replace(subject, splits={}), described(subject, trial_log.lines(subject)))
    assert shown["button"] == []
