"""The jobs that a visitor asked for, by key, with what the header calls them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import streamlit as st

KEY, UNWANTED = "slimscope.jobs", "slimscope.jobs.unwanted"
MOST_REMEMBERED = 20


def jobs_of_visitor() -> Mapping[str, str]:
    """Titles by key, the newest last."""
    found: dict[str, str] = st.session_state.get(KEY, {})
    return MappingProxyType(dict(found))


def remember_jobs(titles: Mapping[str, str]) -> None:
    """Add jobs to those of this visitor; the oldest are forgotten first."""
    known = {**jobs_of_visitor(), **titles}
    st.session_state[KEY] = dict(list(known.items())[-MOST_REMEMBERED:])


def is_unwanted(key: str) -> bool:
    """Whether this visitor cancelled a job, which may go on for others."""
    return key in st.session_state.get(UNWANTED, ())


def note_wanted(key: str, *, is_wanted: bool) -> None:
    """Note that this visitor asks for a job, or cancels it."""
    unwanted: frozenset[str] = st.session_state.get(UNWANTED, frozenset())
    st.session_state[UNWANTED] = unwanted - {key} if is_wanted else unwanted | {key}
