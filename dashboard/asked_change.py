"""A change that a visitor asked for and that needs coupled groups nobody knows yet: it waits in the session.

`dashboard.group_search` has the groups found, and makes it then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.long_searches import GroupsNotFoundError

if TYPE_CHECKING:
    from compress_core.apply.groups_needed import NeededGroups
    from compress_core.apply.lineage import Lineage
    from dashboard.view import View

KEY, OUTCOMES = "slimscope.asked_change", "slimscope.asked_change.outcomes"


@dataclass(frozen=True, eq=False)
class AskedChange:
    """A change of the view as it was when that was asked for, and the groups for which it waits.

    word: what it is known by, also where it then waits for other groups. is_begun: whether their search was.
    """

    model: str
    lineage: Lineage
    change: Callable[[View], View]
    needed: NeededGroups
    word: str
    is_begun: bool = False


@contextmanager
def done_later(view: View, change: Callable[[View], View]) -> Iterator[None]:
    """Around a change of a view: one that needs groups first is refused, and made once they are found."""
    try:
        yield
    except GroupsNotFoundError as missing:
        wait(AskedChange(view.model, view.lineage, change, missing.needed, token_hex(4)))
        raise


def wait(asked: AskedChange) -> None:
    """Have this change wait; an older one is dropped."""
    st.session_state[KEY] = asked


def waiting() -> AskedChange | None:
    """The change that waits, if any does."""
    found: AskedChange | None = st.session_state.get(KEY)
    return found


def is_waiting(word: str) -> bool:
    """Whether the change that is known by a word still waits."""
    asked = waiting()
    return asked is not None and asked.word == word


def is_unheard() -> bool:
    """Whether a change waits of which no run has heard yet."""
    asked = waiting()
    return asked is not None and not asked.is_begun


def has_ended(asked: AskedChange, sentence: str | None) -> None:
    """It waits no more: why it was refused, empty where it was made, None where it was dropped."""
    st.session_state.pop(KEY, None)
    st.session_state.setdefault(OUTCOMES, {})[asked.word] = sentence


def outcome_of(word: str) -> str | None:
    """How the change that is known by a word ended, as `has_ended` was told."""
    outcomes: dict[str, str | None] = st.session_state.get(OUTCOMES, {})
    return outcomes.get(word)
