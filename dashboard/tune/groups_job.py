"""The groups of a model for a page: at once where that is quick, else as a job with its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from compress_core.apply.base import groups_of
from compress_core.apply.context import examples_name
from compress_core.apply.groups_found import are_found, found_elsewhere
from compress_core.apply.lineage import compressed_by
from compress_core.apply.model import Model
from compress_core.apply.prepare import prepared
from compress_core.apply.run import model_of
from compress_core.apply.stored_groups import StoredGroups
from compress_core.foundation.errors import Refused
from compress_core.measure.cost.search_estimate import search_takes_long
from compress_core.structure.group import Group
from compress_core.subject.subject import Subject
from compress_core.tasks.search_groups import GROUP_SEARCH, GroupSearchKnobs
from dashboard import engine
from dashboard import job_panel as jobs
from dashboard.page_job import PageJob
from dashboard.text import _
from dashboard.view import View


def groups_or_job(view: View, model: Model) -> Mapping[str, Group] | None:
    """The groups of the model as loaded and prepared; None where a job for them is shown instead."""
    subject, prepare, store = model.subject, view.recipe.prepare, engine.store()
    base = prepared(subject, prepare, store)
    is_quick = are_found(base, store) or not search_takes_long(subject, store)
    if is_quick or not _is_built_elsewhere(subject):
        with st.spinner(_("Finding out which channels must shrink together …")):
            return groups_of(subject, prepare, store)
    work = groups_job(view, model)
    found = work.result()
    if found is not None:
        return found_elsewhere(found, base, store)
    words, button = st.columns([3, 1.3], vertical_alignment="bottom")
    words.caption(
        _(
            "Which channels must shrink together is tried out on this network, which takes some seconds to "
            "minutes at its size. It is done once and kept; all pages can be used meanwhile."
        )
    )
    work.button(button, view, label=work.title, icon=":material/play_arrow:", type="primary")
    work.follow()
    return None


def _is_built_elsewhere(subject: Subject) -> bool:
    """Whether another process can build the network: else the page waits, as it does for a small one."""
    try:
        return subject.origin is None or bool(subject.origin.required())
    except Refused:
        return False


def groups_job(view: View, model: Model) -> PageJob[StoredGroups]:
    """The job that finds them, for what the recipe prepares; nothing else of it matters."""
    recipe = replace(view.recipe, layers=(), groups=(), correct=())
    lineage = compressed_by(recipe) if recipe.prepare else ()
    plain = model_of(model.subject, lineage, engine.store())
    job = jobs.job_of(GROUP_SEARCH, plain, GroupSearchKnobs(split=examples_name(model.subject)), 0)
    return PageJob(
        GROUP_SEARCH, job, _("Find the groups"), lambda found: sum(t.nbytes for t in found.indices)
    )
