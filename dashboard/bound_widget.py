"""Every widget that sets a part of the recipe shows what the recipe says, whoever changed it.

One mechanism for all of them. A widget's key names its place and nothing else (`tune.fc1.PRUNE.technique`:
no version, no value), so the browser keeps it, with its focus, from run to run. Before it is drawn,
`showing(key, value)` writes what the recipe says into the session under that key; the widget itself gets
no default. Its callback has run by then: it read the new value, tried it, and either the recipe says it
now, or it was refused. What was refused stays in its widget, with the sentence `beside` it, until
something else is tried or the recipe changes. A live slider takes the same as its `value`: `shown`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from compress_core.foundation.errors import Refused
from dashboard import asked_change, seen_run, state
from dashboard.text import literal, refusal

_REFUSED = "slimscope.refused"


@dataclass(frozen=True)
class _RefusedChange:
    """What a widget asked for in vain, of which recipe, and why; waits: its word where it is done later."""

    key: str
    value: object
    sentence: str
    recipe: str
    waits: str | None


def showing(key: str, value: Any) -> str:
    """Make the widget of this key show a value in this run; gives the key.

    In every run, not only when it changed: a browser that opens a popover later draws the widget from the
    latest run alone.
    """
    st.session_state[key] = value = shown(key, value)
    seen_run.note(key, value)
    return key


def by_hand(key: str, act: Callable[..., None], *arguments: Any) -> Callable[[], None]:
    """The callback of a bound widget: acts where a hand moved it, not where a browser told its old value.

    Whatever else is done on the page brings the old value along until the browser has drawn the new one.
    """
    return partial(_if_moved, key, partial(act, *arguments))


def _if_moved(key: str, act: Callable[[], None]) -> None:
    if seen_run.is_moved(key):
        act()


def picked(key: str, first: Any) -> str:
    """For a box that says how, where the recipe says nothing yet: it keeps what the visitor picked."""
    return showing(key, st.session_state.get(key, first))


def shown(key: str, value: Any) -> Any:
    """What a widget has to show: the value that the recipe gives it, or the one it was refused."""
    refused = _refused(key)
    return value if refused is None else refused.value


def is_refused(key: str) -> bool:
    """Whether a widget shows what it was refused."""
    return _refused(key) is not None


def beside(key: str) -> None:
    """The sentence of what was refused here; nothing where nothing was."""
    refused = _refused(key)
    if refused is not None:
        st.warning(literal(refused.sentence), icon=":material/block:")


@contextmanager
def refused_beside(key: str, value: object) -> Iterator[None]:
    """Around a change that a widget asks for: a refusal is kept for that widget, an older one is over."""
    st.session_state.pop(_REFUSED, None)
    try:
        yield
    except Refused as refused:
        sha, waits = state.required().recipe.sha, asked_change.word_behind(refused)
        st.session_state[_REFUSED] = _RefusedChange(key, value, refusal(refused), sha, waits)


def _refused(key: str) -> _RefusedChange | None:
    found: _RefusedChange | None = st.session_state.get(_REFUSED)
    if found is None or found.key != key or asked_change.is_dropped(found.waits):
        return None
    view = state.current()
    return found if view is not None and view.recipe.sha == found.recipe else None
