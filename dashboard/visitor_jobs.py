"""The jobs that a visitor asked for, by key, with what the header calls them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import streamlit as st

KEY = "slimscope.jobs"
MOST_REMEMBERED = 20


def jobs_of_visitor() -> Mapping[str, str]:
    """Titles by key, the newest last."""
    found: dict[str, str] = st.session_state.get(KEY, {})
    return MappingProxyType(dict(found))


def remember_jobs(titles: Mapping[str, str]) -> None:
    """Add jobs to those of this visitor; the oldest are forgotten first."""
    known = {**jobs_of_visitor(), **titles}
    st.session_state[KEY] = dict(list(known.items())[-MOST_REMEMBERED:])
