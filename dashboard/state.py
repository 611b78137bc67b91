"""What one visitor has set: model, recipe, selected layer; with undo, redo and a link.

It lives under one key of our own in the session, because Streamlit drops the state of widgets that
are not on the page. Nothing here is shared between sessions.

The browser keeps nothing but an address, so that nothing is lost that was once on the page:
- F5 and a server that starts anew find the view by the word of the tab in the address (`dashboard.tab`).
  An edit that F5 or the end of the server was faster than is there too, although the address does not know
  it yet.
- Back and Forward lead to the address of an earlier moment: as many steps of undo or redo as lead there, so
  one press is one edit, and what was left is one press of Redo away. Nothing new is tried by that.
- A second tab begins with a copy of the way back of the first and goes its own way from there; the log of
  what was tried is one for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from compress_core.foundation.errors import Refused
from dashboard import asked_change, engine, leases, opened, saved_work, tab, trial_log
from dashboard.asked_change import done_later
from dashboard.hearing import hear_all
from dashboard.language import QUERY_KEY, SESSION_KEY
from dashboard.linked_choices import MOST_DIGITS, linked_choices, take_over_choices
from dashboard.links import decoded, encoded
from dashboard.long_searches import GroupsNotFoundError, made, refuse_long_search
from dashboard.shared_choice import carried
from dashboard.text import _, refusal
from dashboard.told_widgets import told
from dashboard.training_choice import choose_text
from dashboard.undo import led_back
from dashboard.view import View
from dashboard.visitor import visitor
from dashboard.visitor_jobs import jobs_of_visitor
from dashboard.way_back import was_reloaded

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage
    from compress_core.apply.model import Model
    from compress_core.recipe.values import Recipe, ResolvedRecipe
    from compress_core.subject.subject import Subject

KEY, SAVED, WRITTEN = "slimscope.view", "slimscope.view.saved", "slimscope.view.written"
UPLOADS = "slimscope.uploads"
NOTICE, BESIDE = "slimscope.notice", "slimscope.notice.beside"
TOLD = "slimscope.told"
LINK = "slimscope.link"
USER_MODEL = opened.USER_MODEL


def current() -> View | None:
    """The visitor's view with all that was done on the page by now; None before a model was chosen."""
    hear_all()
    found: View | None = st.session_state.get(KEY)
    return found


def keep(view: View) -> None:
    """Make this the visitor's view; it outlives the session from now on. What was tried is logged."""
    _write()
    st.session_state[KEY] = view
    _write()


def _write() -> None:
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


def open_model(name: str) -> View:
    """Start working on a model; with the recipe of the link that led here, if it speaks of this model.

    Raises Refused for an unknown model, or for a recipe that cannot be done: the model is open then.
    """
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
    link: dict[str, str] | None = st.session_state.get(LINK)
    if link is not None and link["m"] == name:
        del st.session_state[LINK]
        view = _as_linked(view, link)
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


def link_parameters(view: View) -> dict[str, str]:
    """What a link to this view says, by name; what is empty stands in no link."""
    from compress_core.apply.lineage import lineage_as_json

    return {
        "m": view.model,
        "h": encoded(lineage_as_json(view.lineage)),
        "l": view.layer,
        "r": "",  # of an older link, which named the recipe alone
        **linked_choices(),
        "seed": str(view.seed) if view.seed else "",
        QUERY_KEY: st.session_state.get(SESSION_KEY) or st.query_params.get(QUERY_KEY, ""),
    }


def write_link() -> None:
    """Put what the visitor sees into the address, so that copying it shares the view.

    Without a model that is what was chosen on the page, such as a lesson.
    """
    view, chosen = current(), carried()
    if view is None and not chosen:
        return
    of_view = {} if view is None else {**link_parameters(view), tab.QUERY_KEY: tab.tab()}
    wanted = {**of_view, **chosen}
    now = st.query_params.to_dict()
    then = {key: value for key, value in (now | wanted).items() if value}
    if then != now:  # all at once: the browser's way back gets one entry
        st.query_params.from_dict(then)


def forget_link() -> None:
    """Take out of the address what could not be opened; the language stays."""
    st.query_params.from_dict({k: v for k, v in st.query_params.to_dict().items() if k == QUERY_KEY})


def read_link() -> None:
    """Open what a link describes at the start of a session, and where Back or Forward was pressed.

    Raises Refused for a bad link. Without a link, that is the model with which the server was started, where
    it was started with one. A link to an own model waits until that model is uploaded.
    """
    view = current()
    if view is not None:
        _write()
        _ask_again(view)  # which a run was overtaken in
        if _was_led_by_browser() and tab.QUERY_KEY in st.query_params:
            _go_to(st.query_params.to_dict())
        return
    take_over_choices(st.query_params.to_dict())
    if "m" not in st.query_params:
        _open_first_model()
        return
    link = st.query_params.to_dict()
    is_reloaded = was_reloaded(link) and saved_work.is_kept(link["m"], link[tab.QUERY_KEY])
    if not (is_reloaded or (_came_back(link) and _knows_more_than(link))):
        st.session_state[LINK] = link
    left = saved_work.left_waiting(link["m"]) if tab.QUERY_KEY in link else None
    if left is not None:
        asked_change.leave_over(link["m"], left)
    _ask_again(open_model(link["m"]))


def _ask_again(view: View) -> None:
    """Ask for what waited when the tab was left, unless the view is at another model than it was then."""
    from compress_core.apply.lineage import lineage_as_json

    left = asked_change.left_over(view.model)
    if left is None:
        return
    try:
        if left["at"] == lineage_as_json(view.lineage) and asked_change.waiting() is None:
            view = _as_left(view, left)
    except GroupsNotFoundError:
        pass  # it waits again
    except Refused as refused:
        notice(refusal(refused))
    asked_change.forget_left_over()  # not before: a run that is overtaken leaves it for the next one
    keep(view)


def _as_left(view: View, left: Mapping[str, Any]) -> View:
    from compress_core.apply.lineage import read_lineage
    from compress_core.recipe.reading import parse_recipe

    recipe = left.get("recipe")
    if recipe is not None:
        return with_recipe(view, parse_recipe(recipe))
    lineage = read_lineage(left["lineage"])
    return at(view, lineage) if left.get("is_new", True) else looking_at(view, lineage)


def _came_back(link: Mapping[str, str]) -> bool:
    """Whether a page that another session drew stands in the browser, which a new page has no widgets of."""
    return tab.QUERY_KEY in link and any(told()) and not _was_led_by_browser()


def _knows_more_than(link: Mapping[str, str]) -> bool:
    """Whether what its tab did last is on the disk, and led there from an address or back to before it.

    An edit stands in the address only after its run: one during which the server ended is on the disk alone.
    Where the disk was full it is the address that knows more.
    """
    from compress_core.apply.lineage import read_lineage

    engine.warm()
    name = link["m"]
    try:
        found = user_model(name) if name.startswith(USER_MODEL) else engine.sample(name)
        linked = read_lineage(decoded(link.get("h", "")) or [])
    except Refused:  # whoever opens it is told why
        return False
    return saved_work.is_on_way(linked, name, found, link[tab.QUERY_KEY])


def _was_led_by_browser() -> bool:
    """Whether this run is for an address to which Back or Forward led."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def _go_to(link: Mapping[str, str]) -> None:
    """The model, recipe and layer of an address that this page has written."""
    view = required()
    if link.get("m", view.model) != view.model:
        view = open_model(link["m"])
    view = _as_linked(view, link)
    take_over_choices(link)
    keep(replace(view, version=view.version + 1))


def _open_first_model() -> None:
    """The recipe that came with the model is an edit of it, so that Undo takes it back."""
    first = opened.first_model()
    if first is None:
        return
    view = open_model(first.name)
    if first.recipe is not None:
        with suppress(GroupsNotFoundError):  # it is done as soon as they are found
            view = with_recipe(view, first.recipe)
    keep(replace(view, seed=_seed_in(st.query_params.to_dict(), view.seed)))


def _as_linked(view: View, link: Mapping[str, str]) -> View:
    from compress_core.apply.lineage import read_lineage
    from compress_core.recipe.reading import read_plain

    history, recipe = decoded(link.get("h", "")), decoded(link.get("r", ""))
    is_new = not (view.lineage or view.past or view.future)
    if history or (not recipe and tab.QUERY_KEY in link):  # a page that writes no history shows the original
        linked = read_lineage(history or [])
        view = led_back(view, linked) if linked in {*view.past, *view.future} else _at_or_before(view, linked)
    elif recipe:
        with suppress(GroupsNotFoundError):  # it is done as soon as they are found
            view = with_recipe(view, read_plain(recipe))
    if is_new and not _waits(view):  # whoever has been here before finds the way back to what was left
        view = replace(view, past=())
    return replace(
        view,
        layer=link["l"] if link.get("l") in subject(view).by_name else view.layer,
        seed=_seed_in(link, 0),
    )


def _waits(view: View) -> bool:
    """Whether groups have to be found before its model is made, which may still be refused then."""
    try:
        model(view)
    except GroupsNotFoundError:
        return True
    return False


def _seed_in(link: Mapping[str, str], usual: int) -> int:
    """The seed that a link says; the usual one where it says none, or no number."""
    said = link.get("seed", "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < MOST_DIGITS else usual


def _at_or_before(view: View, linked: Lineage) -> View:
    """The view at a linked model; where the weights of its training are not here, at what was trained.

    The plan of that training is set on Recover then. Where groups have to be found first, the view is at the
    linked model, and its pages are drawn afterwards. Raises Refused as `at` does.
    """
    from compress_core.apply.lineage import Train

    first = next((place for place, done in enumerate(linked) if isinstance(done, Train)), None)
    changed = view.moved(linked)
    try:
        model(changed)
    except GroupsNotFoundError:
        return changed
    except Refused as refused:
        if first is None:
            raise
        before = at(view, linked[:first])
        training = linked[first]
        assert isinstance(training, Train), "found as one"
        choose_text(training.plan)
        said = _("{reason} The model before it is open, and its training is set up on Recover.")
        notice(said.format(reason=refusal(refused)))
        return before
    return changed


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
