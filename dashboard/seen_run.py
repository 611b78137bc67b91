"""Which run of the page a browser shows, so that what a widget said before is not taken for a wish.

With whatever is done on a page, a browser tells the values of all its widgets. One that has not drawn yet
what the last run wrote into a widget tells the value of before, and to Streamlit that is a change by hand: of
six cells typed without a pause one was taken back by the technique box of its layer, which still said "none".

So every run leaves its number, after all that it drew, in a box that nobody sees. The browser takes it over
in the same moment as what was drawn before it, and tells it with every request. A hand has moved a widget
where it says something else than it showed in that run, and than was written into it since.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any

import streamlit as st

KEY = "slimscope.seen_run"
_TOLD = re.compile(r"([0-9a-f]{8})-([0-9]{1,15})")
_SESSION, _RUN, _WRITTEN = f"{KEY}.session", f"{KEY}.now", f"{KEY}.written"

MOST_UNSEEN = 50  # values that a run wrote and a browser may not have drawn yet


@dataclass(frozen=True)
class WrittenValue:
    """A value that a run wrote into a widget; the runs after it wrote the same, up to the next one's."""

    run: int
    value: Any


def note(key: str, value: Any) -> None:
    """Say that this run writes a value into the widget of this key."""
    kept = _written().get(key, ())
    if not kept or kept[-1].value != value:
        _written()[key] = (*kept, WrittenValue(_run(), value))[-MOST_UNSEEN:]


def is_moved(key: str) -> bool:
    """Whether a hand moved the widget of this key to the value that it says it has."""
    said, seen = st.session_state[key], _seen()
    if seen is None or any(said == written.value for written in _since(seen, _written().get(key, ()))):
        return False
    _written()[key] = (
        WrittenValue(_run(), said),
    )  # what the browser showed before is past, whatever it has drawn
    return True


def mark() -> None:
    """Let the browser know that it shows all that this run wrote; nothing is seen of it."""
    run = _run()
    st.session_state[_RUN] = (
        run + 1
    )  # first: a run that is overtaken here must not leave its number to the next
    st.session_state[KEY] = f"{_session()}-{run}"
    st.text_input(KEY, key=KEY, label_visibility="collapsed")


def _seen() -> int | None:
    """The run that the browser shows: 0 where none came to its end, None where it was another server's."""
    said = st.session_state.get(KEY)
    if said is None:
        return 0
    told = _TOLD.fullmatch(str(said))
    return int(told[2]) if told and told[1] == _session() else None


def _since(seen: int, written: tuple[WrittenValue, ...]) -> tuple[WrittenValue, ...]:
    """What a browser may show that shows this run: what it had been given by then, and all since."""
    first = max((at for at, one in enumerate(written) if one.run <= seen), default=0)
    return written[first:]


def _run() -> int:
    number: int = st.session_state.setdefault(_RUN, 1)
    return number


def _session() -> str:
    word: str = st.session_state.setdefault(_SESSION, secrets.token_hex(4))
    return word


def _written() -> dict[str, tuple[WrittenValue, ...]]:
    kept: dict[str, tuple[WrittenValue, ...]] = st.session_state.setdefault(_WRITTEN, {})
    return kept
