"""What a visitor chose on a page beside the model: kept in the session, and carried by the page's link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import streamlit as st

Value = TypeVar("Value")
_ASKED, _WRITTEN = "slimscope.choices.asked", "slimscope.choices.written"


@dataclass(frozen=True)
class SharedChoice(Generic[Value]):
    """Something to choose, under its name in links; what is usual stands in none.

    read gives the value of a text, or None for what nobody could have chosen, which is passed over.
    """

    name: str
    usual: Value
    read: Callable[[str], Value | None]

    def chosen(self) -> Value:
        """What this visitor chose, or what stands in the link that led here; the page says it in its link."""
        if self._key not in st.session_state or self._was_led_here():
            found = self.read(st.query_params.get(self.name, ""))
            st.session_state[self._key] = self.usual if found is None else found
        value: Value = st.session_state[self._key]
        asked = st.session_state.setdefault(_ASKED, {})
        asked[self.name] = "" if value == self.usual else str(value)
        return value

    def keep(self) -> None:
        """Have it stand in the link of a page that does not ask for it, where it was chosen or led here."""
        if self._key in st.session_state or self.name in st.query_params:
            self.chosen()

    def choose(self, value: Value) -> None:
        """Keep another choice; where the link of this page says it, the link does so at once.

        At the end of the run would be too late: while a job is at work a run takes seconds, and a page that
        is loaded anew meanwhile showed what was chosen before.
        """
        st.session_state[self._key] = value
        text = "" if value == self.usual else str(value)
        if self.name not in written() or text == st.query_params.get(self.name, ""):
            return
        st.session_state[_WRITTEN] = {**written(), self.name: text}
        if text:
            st.query_params[self.name] = text
        else:
            del st.query_params[self.name]

    def _was_led_here(self) -> bool:
        """Whether the address says otherwise than this page wrote last: the browser went back."""
        said = st.query_params.get(self.name, "")
        return said != written().get(self.name, said) and "m" in st.query_params

    @property
    def _key(self) -> str:
        return f"slimscope.choice.{self.name}"


def written() -> Mapping[str, str]:
    """What the link of this page said of them when it was written last."""
    found: Mapping[str, str] = st.session_state.get(_WRITTEN, {})
    return found


def carried() -> Mapping[str, str]:
    """What the link of this page has to say of the choices that it asked for; empty for what is usual."""
    asked: dict[str, str] = st.session_state.pop(_ASKED, {})
    st.session_state[_WRITTEN] = asked
    return asked
