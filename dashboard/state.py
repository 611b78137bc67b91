"""What one visitor has set: model, recipe, selected layer; and how it changes.

It lives under one key of our own in the session, because Streamlit drops the state of widgets that
are not on the page. Nothing here is shared between sessions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from compress_core.foundation.errors import Refused
from dashboard import asked_change, engine, leases, opened, saved_work, trial_log
from dashboard.asked_change import done_later
from dashboard.hearing import hear_all
from dashboard.long_searches import GroupsNotFoundError, made, refuse_long_search
from dashboard.text import _, refusal
from dashboard.view import View
from dashboard.visitor import visitor
from dashboard.visitor_jobs import jobs_of_visitor

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage
    from compress_core.apply.model import Model
    from compress_core.recipe.values import Recipe, ResolvedRecipe
    from compress_core.subject.subject import Subject

KEY, SAVED, WRITTEN = "slimscope.view", "slimscope.view.saved", "slimscope.view.written"
UPLOADS = "slimscope.uploads"
NOTICE, BESIDE = "slimscope.notice", "slimscope.notice.beside"
TOLD = "slimscope.told"
USER_MODEL = opened.USER_MODEL


def current() -> View | None:
    """The visitor's view with all that was done on the page by now; None before a model was chosen."""
    hear_all()
    found: View | None = st.session_state.get(KEY)
    return found


def keep(view: View) -> None:
    """Make this the visitor's view; it outlives the session from now on. What was tried is logged."""
    write_down()
    st.session_state[KEY] = view
    write_down()


def write_down() -> None:
    """Write what is kept to the disk; what a run was overtaken in is written by the next one."""
    view: View | None = st.session_state.get(KEY)
    if view is None:
        return
    try:
        _save(view)
        _log(view)
    except GroupsNotFoundError:  # it is logged by the first run after they were found
        return
    except Refused as refused:  # a full disk: the session has it, and the visitor is told
        notice(refusal(refused))
        _note_saved(view)
    st.session_state[WRITTEN] = view


def _save(view: View) -> None:
    saved, *beside = st.session_state.get(SAVED, (None,))
    if saved is not view or beside != _kept_beside(view):
        saved_work.save(view, subject(view))
        _note_saved(view)


def _note_saved(view: View) -> None:
    st.session_state[SAVED] = [view, *_kept_beside(view)]


def _kept_beside(view: View) -> list[object]:
    """What is kept with a view and changes without it: the change that waits, and the jobs of the visitor."""
    waits = asked_change.waiting_at(view) or asked_change.left_over(view.model)
    return [waits, list(jobs_of_visitor())]


def _log(view: View) -> None:
    before: View | None = st.session_state.get(WRITTEN)
    if before is not None and before is not view and _is_tried_after(before, view):
        trial_log.note(before.lineage, model(view))


def _is_tried_after(before: View, view: View) -> bool:
    is_new = view.trials > before.trials and view.lineage != before.lineage
    return is_new and view.model == before.model


def through_app() -> None:
    """Make sure that app.py runs around the page.

    Streamlit takes a folder called pages/ for its older kind of app until st.navigation was called
    once, and then runs a page alone: the first visitor of a new server who follows a link to a page.
    """
    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        st.rerun()


def required() -> View:
    """The view, where a model is needed; without one the visitor is sent to Start."""
    view = current()
    if view is None:
        if NOTICE not in st.session_state:  # a link that was refused says more
            notice(_("Choose a model first: that page shows one, and none is open yet."))
        st.switch_page("pages/start.py")
    return view


def subject(view: View) -> Subject:
    """The model of a view; raises Refused where an own model has to be uploaded again."""
    engine.warm()
    if not view.model.startswith(USER_MODEL):
        engine.store().owner("")
        return engine.sample(view.model)
    return user_model(view.model)


def user_model(name: str) -> Subject:
    """A model that this visitor uploaded, now or earlier, or with which the server was started.

    Raises Refused otherwise.
    """
    uploads: dict[str, Subject] = st.session_state.setdefault(UPLOADS, {})
    leases.hold(name)
    if name not in uploads:
        from compress_core.jobs.bundle import read_bundle

        if name in opened.handed_over():
            return opened.handed_over()[name].subject
        files = engine.workspace().uploads.contents(visitor(), name)
        if files is None:
            raise Refused(
                "This link speaks of a model of its author's own: upload the same file on Start first."
            )
        uploads[name] = read_bundle(files)
    return uploads[name]


def keep_user_model(found: Subject) -> str:
    """Keep an uploaded model for this visitor; gives the name under which it is opened."""
    from compress_core.jobs.bundle import bundle_of

    name = opened.user_model_name(found)
    st.session_state.setdefault(UPLOADS, {})[name] = found
    leases.hold(name)
    if (
        engine.workspace().folder is None
    ):  # what is kept in memory alone would outlive the session and help nobody
        return name
    try:
        engine.workspace().uploads.save(visitor(), name, bundle_of(found))
    except Refused as refused:
        notice(refusal(refused))
    return name


def leave(view: View) -> None:
    """Nothing waits at a view that the visitor leaves for another model, nor in the work that is kept."""
    asked = asked_change.waiting_at(view)
    if asked is not None:
        asked_change.has_ended(asked, None)
        keep(view)


def begun(name: str) -> View:
    """Start working on a model, where it was left; raises Refused for an unknown one."""
    engine.warm()
    found = user_model(name) if name.startswith(USER_MODEL) else engine.sample(name)
    biggest = max(found.layers, key=lambda layer: layer.weights).name if found.layers else ""
    before = current()
    if before is not None and before.model != name:
        leave(before)
    version = before.version + 1 if before else 0
    trial_log.adopt_snapshots(name, found)
    view = saved_work.restored(name, found) or View(name, (), biggest)
    view = replace(view, layer=view.layer or biggest, version=max(version, view.version))
    keep(view)
    return view


def model(view: View) -> Model:
    """The compressed model of a view; raises Refused where its recipe cannot be done.

    No page waits for a long search of groups: GroupsNotFoundError has the job that finds them.
    """
    return made(subject(view), view.lineage)


def edited(view: View, recipe: ResolvedRecipe, *, by_widget: bool = False, of_original: bool = False) -> View:
    """A view with another recipe, tried before it is kept; raises Refused and changes nothing.

    of_original: of the model as loaded, whatever the one before stands on.
    """
    from compress_core.apply.lineage import with_recipe as led_elsewhere
    from compress_core.recipe.edit import in_order

    found = subject(view)
    return at(
        view,
        led_elsewhere(() if of_original else view.lineage, in_order(recipe, list(found.by_name))),
        by_widget=by_widget,
    )


def at(view: View, lineage: Lineage, *, by_widget: bool = False) -> View:
    """A view that looks at another model of the same tree; raises Refused and changes nothing.

    Where groups of its network have to be found first, that is begun, and it is looked at afterwards.
    """
    changed = view.moved(lineage, by_widget=by_widget)
    with done_later(view, lambda then: at(then, lineage), lineage):
        model(changed)
    return changed


def returned(view: View, key: str) -> View:
    """A view that looks again at a model that was tried before; raises Refused and changes nothing."""
    return looking_at(view, saved_work.way_known_to(key))


def looking_at(view: View, lineage: Lineage) -> View:
    """A view of a model that was there before, which tries nothing new; raises Refused as `at` does."""
    changed = replace(view.moved(lineage), trials=view.trials)
    with done_later(view, lambda then: looking_at(then, lineage), lineage, is_new=False):
        model(changed)
    return changed


def with_recipe(view: View, recipe: Recipe) -> View:
    """A view with a recipe from a file or a link; raises Refused as `at` does."""
    from compress_core.apply.model import Model
    from compress_core.apply.run import resolved_for

    with done_later(view, lambda then: with_recipe(then, recipe), recipe):
        if recipe.groups:  # names of groups are looked up in the model as loaded
            refuse_long_search(Model.original(subject(view)), recipe)
        return edited(view, resolved_for(subject(view), recipe, engine.store()))


def on_page() -> View:
    """The view at the top of a page: app.py runs around it, and a model is there."""
    through_app()
    return required()


def notice(text: str, beside: str = "") -> None:
    """A sentence to show on the next run, after a callback that could not do what was asked.

    beside: the key of what was pressed, where `notice_beside` stands by it; below the header otherwise.
    """
    st.session_state[NOTICE], st.session_state[BESIDE] = text, beside


def taken_notice(beside: str = "") -> str | None:
    """The sentence that a callback left for this place, once; it counts as shown when the run ends."""
    if st.session_state.get(BESIDE, "") != beside:
        return None
    text: str | None = st.session_state.pop(NOTICE, None)
    if text is not None:
        st.session_state[TOLD] = text
    return text


def bring_back_notice() -> None:
    """At the beginning of a run: what the one before told, if that was cut off and drawn anew."""
    told = st.session_state.pop(TOLD, None)
    if told is not None:
        st.session_state.setdefault(NOTICE, told)


def notice_was_told() -> None:
    """At the end of a run: what it told stands on the page; what found no place comes below the header."""
    st.session_state.pop(TOLD, None)
    st.session_state[BESIDE] = ""
