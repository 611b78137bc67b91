"""The search of coupled groups as a job of pages: begun for who needs them, followed, its result taken over.

The page goes on showing what is there. A change that waits is dropped where the visitor changes the recipe
otherwise, opens another model or has the job cancelled: nothing is moved under somebody's hand. A view that
is itself of a model that waits, which a link, a reload or Undo led to, has its pages drawn afterwards.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from compress_core.foundation.errors import Refused
from dashboard import asked_change, engine, state
from dashboard import job_panel as jobs
from dashboard.asked_change import AskedChange
from dashboard.long_searches import GroupsNotFoundError
from dashboard.page_job import PageJob
from dashboard.text import TOO_MUCH_MEMORY, _, refusals_told
from dashboard.visitor_jobs import jobs_of_visitor

if TYPE_CHECKING:
    from compress_core.apply.groups_needed import NeededGroups
    from compress_core.apply.model import Model
    from compress_core.apply.stored_groups import StoredGroups
    from dashboard.view import View


def search_of(needed: NeededGroups) -> PageJob[StoredGroups]:
    """The job; of all that was done to the model, it is told what makes a difference to what it finds."""
    from compress_core.apply.context import examples_name
    from compress_core.apply.run import model_of
    from compress_core.tasks.search_groups import GROUP_SEARCH, GroupSearchKnobs

    plain = model_of(needed.subject, needed.searched, engine.store())
    job = jobs.job_of(GROUP_SEARCH, plain, GroupSearchKnobs(split=examples_name(needed.subject)), 0)
    return PageJob(
        GROUP_SEARCH, job, _("Find the groups"), lambda found: sum(t.nbytes for t in found.indices)
    )


def is_taken_over(needed: NeededGroups) -> bool:
    """Whether a job has found some groups, which are known here from now on.

    Raises Refused where it said that it cannot be done, or where what it found finds no room here: who asked
    once more would be told the same.
    """
    from compress_core.apply.groups_found import are_found, found_elsewhere
    from compress_core.jobs.info import State

    search = search_of(needed)
    found = search.result()
    if found is not None:
        found_elsewhere(found, needed.base, engine.store())
        if not are_found(needed.base, engine.store()):
            raise Refused(TOO_MUCH_MEMORY)
        return True
    known = search.info
    if known.state is State.REFUSED and known.problem is not None:
        raise known.problem
    return False


# The model of the view --------------------------------------------------------------------------------------


def model_of_view(view: View) -> Model:
    """The model of a view, with the groups that jobs have found by now; raises Refused as `state.model` does.

    What is missing is begun, once: whoever opened the model asked for it, and who cancels that has a button.
    """
    while True:
        try:
            return state.model(view)
        except GroupsNotFoundError as missing:
            if is_taken_over(missing.needed):
                continue
            search = search_of(missing.needed)
            if _is_not_asked(search):
                search.submit(view)
            raise


def _is_not_asked(search: PageJob[StoredGroups]) -> bool:
    """Whether this visitor did not ask for a search yet, or nobody knows of it any more.

    Also for one that another visitor waits for: who asks as well has it go on where that one cancels.
    """
    from compress_core.jobs.info import State

    return search.info.state is State.UNKNOWN or search.job.key not in jobs_of_visitor()


def draw_missing(missing: GroupsNotFoundError) -> None:
    """In the place of what shows a model whose groups are not found: how far that is, and what follows.

    A change that was asked for in the middle of a run is begun by the next one, at once.
    """
    if is_taken_over(missing.needed) or asked_change.is_unheard():
        st.rerun()
    draw_search(
        state.required(),
        missing.needed,
        _(
            "Channels are cut out of this model, and which of them must shrink together is tried out on its "
            "network first. That takes some seconds to minutes at its size and is done once; what belongs "
            "here is drawn by itself afterwards."
        ),
    )


def draw_search(view: View, needed: NeededGroups, said: str) -> None:
    """A sentence, a button that has groups found where nothing does, how far that is, why it failed."""
    search = search_of(needed)
    words, button = st.columns([3, 1.3], vertical_alignment="bottom")
    words.caption(said)
    if search.can_start:
        search.button(
            button,
            view,
            label=search.title,
            icon=":material/play_arrow:",
            key=f"groups.find.{search.job.key}",
            type="primary",
        )
    asked = asked_change.waiting()
    if asked is None or search_of(asked.needed).job.key != search.job.key:  # else the top of the page has it
        search.follow(with_others=asked is None)


# A change that waits ----------------------------------------------------------------------------------------


def do_what_waits() -> None:
    """At the beginning of a run: begin the search for which a change waits, or make it where that is over."""
    view = state.current()  # first: it hears what was asked for
    asked = asked_change.waiting()
    if asked is None:
        return
    if view is None or asked_change.waiting_at(view) is None:
        asked_change.has_ended(asked, asked_change.outcome_of(asked.word))  # perhaps made, and overtaken then
        return
    with refusals_told(partial(_drop, asked)):
        search = search_of(asked.needed)
        if not asked.is_begun:
            if search.can_start or not search.info.is_over:  # also where somebody else has it done
                search.submit(view)
            asked = replace(asked, is_begun=True)
            asked_change.wait(asked)
        if search.info.is_over:
            _make(asked, view)
    state.keep(state.required())  # with what waits now


def _make(asked: AskedChange, view: View) -> None:
    """Make a change whose search is over; raises Refused where that cannot be done.

    A run that is overtaken meanwhile leaves it waiting for the next one; what an error leaves waiting would
    be tried in every run.
    """
    from compress_core.jobs.info import State

    try:
        if is_taken_over(asked.needed):
            changed = asked.change(view)
            asked_change.note_outcome(asked, "")  # before the view moves, where the change waits no longer
            state.keep(changed)
            asked_change.has_ended(asked, "")
            return
    except GroupsNotFoundError as missing:  # of another network
        asked_change.wait(replace(asked, needed=missing.needed, is_begun=False))
        do_what_waits()
        return
    except Exception:
        asked_change.has_ended(asked, None)
        raise
    asked_change.has_ended(asked, None)
    ended = search_of(asked.needed).info
    if ended.problem is not None:
        raise ended.problem
    if ended.state is State.CANCELLED:
        state.notice(_("The search for groups was cancelled, so what waited for it was not done."))


def _drop(asked: AskedChange, sentence: str) -> None:
    asked_change.has_ended(asked, sentence)
    state.notice(sentence)


def draw_waiting() -> None:
    """How far the search is for which a change waits; nothing where none does."""
    asked = asked_change.waiting()
    if asked is None:
        return
    st.caption(
        _(
            "Your change is made as soon as it is known which channels of this network shrink together. All "
            "pages can be used meanwhile; another change takes its place."
        )
    )
    search_of(asked.needed).watch()
