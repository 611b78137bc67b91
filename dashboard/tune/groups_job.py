"""The groups of a model for its tab: at once where that is quick, else as a job with its progress."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from compress_core.apply.base import groups_of
from compress_core.apply.groups_needed import NeededGroups
from compress_core.apply.model import Model
from compress_core.apply.prepare import prepared
from compress_core.structure.group import Group
from dashboard import engine, group_search
from dashboard.long_searches import is_left
from dashboard.text import _
from dashboard.view import View


def groups_or_job(view: View, model: Model) -> Mapping[str, Group] | None:
    """The groups of the model as loaded and prepared; None where a job for them is shown instead."""
    subject, prepare, store = model.subject, view.recipe.prepare, engine.store()
    needed = NeededGroups(subject, (), prepare, prepared(subject, prepare, store))
    if is_left(needed) and not group_search.is_taken_over(needed):
        group_search.draw_search(
            view,
            needed,
            _(
                "Which channels must shrink together is tried out on this network, which takes some seconds "
                "to minutes at its size. It is done once and kept; all pages can be used meanwhile."
            ),
        )
        return None
    with st.spinner(_("Finding out which channels must shrink together …")):
        return groups_of(subject, prepare, store)
