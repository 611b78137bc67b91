"""A change that a visitor asked for and that needs coupled groups nobody knows yet: it waits in the session.

`dashboard.group_search` has the groups found, and makes it then. What was asked for is kept with the work on
the model, so that a reload does not lose it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.long_searches import GroupsNotFoundError

if TYPE_CHECKING:
    from compress_core.apply.groups_needed import NeededGroups
    from compress_core.apply.lineage import Lineage
    from compress_core.foundation.errors import Refused
    from compress_core.recipe.values import Recipe
    from dashboard.view import View

KEY, OUTCOMES = "slimscope.asked_change", "slimscope.asked_change.outcomes"
LEFT = "slimscope.asked_change.left"


@dataclass(frozen=True, eq=False)
class AskedChange:
    """A change of the view as it was when that was asked for, and the groups for which it waits.

    asked: the model at which it is to look, or the recipe that it is to take. word: what it is known by, also
    where it then waits for other groups. is_new: whether something new is tried by it; is_begun: whether
    their search was.
    """

    model: str
    lineage: Lineage
    change: Callable[[View], View]
    asked: Lineage | Recipe
    needed: NeededGroups
    word: str
    is_new: bool = True
    is_begun: bool = False

    def as_json(self) -> dict[str, Any]:
        """What was asked for and where, as plain JSON values."""
        from compress_core.apply.lineage import lineage_as_json

        at = lineage_as_json(self.lineage)
        if isinstance(self.asked, tuple):
            return {"at": at, "lineage": lineage_as_json(self.asked), "is_new": self.is_new}
        return {"at": at, "recipe": self.asked.as_json()}


@contextmanager
def done_later(
    view: View, change: Callable[[View], View], asked: Lineage | Recipe, *, is_new: bool = True
) -> Iterator[None]:
    """Around a change of a view: one that needs groups first is refused, and made once they are found."""
    try:
        yield
    except GroupsNotFoundError as missing:
        wait(AskedChange(view.model, view.lineage, change, asked, missing.needed, token_hex(4), is_new))
        raise


def wait(asked: AskedChange) -> None:
    """Have this change wait; an older one is dropped."""
    st.session_state[KEY] = asked


def waiting() -> AskedChange | None:
    """The change that waits, if any does."""
    found: AskedChange | None = st.session_state.get(KEY)
    return found


def waiting_at(view: View) -> AskedChange | None:
    """The change that waits, if it is one of this view."""
    asked = waiting()
    is_here = asked is not None and (asked.model, asked.lineage) == (view.model, view.lineage)
    return asked if is_here else None


def leave_over(model: str, left: Mapping[str, Any]) -> None:
    """What waited at a model when an earlier session ended, which this one has not asked for again yet."""
    st.session_state[LEFT] = model, left


def left_over(model: str) -> Mapping[str, Any] | None:
    """What was left over at a model; None where nothing was, or it was asked for again."""
    at, left = st.session_state.get(LEFT, ("", None))
    return left if at == model else None


def forget_left_over() -> None:
    """It was asked for again, or cannot be."""
    st.session_state.pop(LEFT, None)


def is_waiting(word: str) -> bool:
    """Whether the change that is known by a word still waits."""
    asked = waiting()
    return asked is not None and asked.word == word


def is_dropped(word: str | None) -> bool:
    """Whether nobody asks any more for the change of this word, where one was refused as it waited."""
    return word is not None and not is_waiting(word)


def word_behind(refused: Refused) -> str | None:
    """By which a change is known that was refused because it waits; None where it does not."""
    asked = waiting()
    return asked.word if asked is not None and isinstance(refused, GroupsNotFoundError) else None


def is_unheard() -> bool:
    """Whether a change waits of which no run has heard yet."""
    asked = waiting()
    return asked is not None and not asked.is_begun


def has_ended(asked: AskedChange, sentence: str | None) -> None:
    """It waits no more: why it was refused, empty where it was made, None where it was dropped."""
    st.session_state.pop(KEY, None)
    note_outcome(asked, sentence)


def note_outcome(asked: AskedChange, sentence: str | None) -> None:
    """How it ended, while it may still wait."""
    st.session_state.setdefault(OUTCOMES, {})[asked.word] = sentence


def outcome_of(word: str) -> str | None:
    """How the change that is known by a word ended, as `has_ended` was told."""
    outcomes: dict[str, str | None] = st.session_state.get(OUTCOMES, {})
    return outcomes.get(word)
