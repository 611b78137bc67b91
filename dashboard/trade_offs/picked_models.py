"""Which models a visitor picked to compare: kept in the session and in the link, each with a letter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.figures.drawn import clicked
from dashboard.shared_choice import SharedChoice
from dashboard.text import _

MOST = 5
LETTERS = "ABCDE"
_DIGITS = 12
_WORDS = re.compile(r"[0-9a-z]{1,12}(\.[0-9a-z]{1,12}){0,4}")


def read(text: str) -> str | None:
    """What a link says of them; None for what nobody could have picked."""
    return text if not text or _WORDS.fullmatch(text) else None


_CHOICE: SharedChoice[str] = SharedChoice("picked", "", read)


def picked(models: pd.DataFrame) -> tuple[str, ...]:
    """The keys of the picked models that are in a table, in the order of picking."""
    by_word = {_word(key): key for key in models["key"]}
    return tuple(by_word[word] for word in _words() if word in by_word)


def letters(models: pd.DataFrame) -> Mapping[str, str]:
    """A letter for each of them, by key."""
    return dict(zip(picked(models), LETTERS, strict=False))


def pick(keys: Iterable[str]) -> None:
    """Pick exactly these; of more than five the first ones."""
    words = list(dict.fromkeys(map(_word, keys)))
    if len(words) > MOST:
        state.notice(_("At most {most} models are compared: let one go first.").format(most=MOST))
    _CHOICE.choose(".".join(words[:MOST]))


def toggle(key: str) -> None:
    """Pick a model, or let it go."""
    words = _words()
    word = _word(key)
    pick([one for one in words if one != word] if word in words else [*words, word])


def toggle_clicked(figure: str, keys: Sequence[str]) -> None:
    """Pick the model that was clicked in the figure of this key, or let it go; keys: of its rows."""
    for point in st.session_state[figure]["selection"]["points"][:1]:
        row = clicked(point)
        if row and row[0] < len(keys):
            toggle(keys[row[0]])


def _words() -> list[str]:
    return [word for word in _CHOICE.chosen().split(".") if word]


def _word(key: str) -> str:
    """The first digits of a key, by which a link names it; the original begins as its weights do."""
    return ("o" + key[: _DIGITS - 1]) if key.endswith(":original") else key[:_DIGITS]
