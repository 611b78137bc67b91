"""What the address of a page says of the visitor's view: written after each edit, and opened when it comes.

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
from streamlit.runtime.scriptrunner import get_script_run_ctx

from compress_core.foundation.errors import Refused
from dashboard import asked_change, engine, opened, saved_work, state, tab
from dashboard.language import QUERY_KEY, SESSION_KEY
from dashboard.linked_choices import MOST_DIGITS, linked_choices, take_over_choices
from dashboard.links import decoded, encoded
from dashboard.long_searches import GroupsNotFoundError
from dashboard.shared_choice import carried
from dashboard.text import _, refusal
from dashboard.told_widgets import told
from dashboard.training_choice import choose_text
from dashboard.undo import led_back
from dashboard.view import View
from dashboard.way_back import was_reloaded

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage

LINK = "slimscope.link"


def parameters(view: View) -> dict[str, str]:
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


def write() -> None:
    """Put what the visitor sees into the address, so that copying it shares the view.

    Without a model that is what was chosen on the page, such as a lesson.
    """
    view, chosen = state.current(), carried()
    if view is None and not chosen:
        return
    of_view = {} if view is None else {**parameters(view), tab.QUERY_KEY: tab.tab()}
    wanted = {**of_view, **chosen}
    now = st.query_params.to_dict()
    then = {key: value for key, value in (now | wanted).items() if value}
    if then != now:  # all at once: the browser's way back gets one entry
        st.query_params.from_dict(then)


def forget() -> None:
    """Take out of the address what could not be opened; the language stays."""
    st.query_params.from_dict({k: v for k, v in st.query_params.to_dict().items() if k == QUERY_KEY})


def read() -> None:
    """Open what a link describes at the start of a session, and where Back or Forward was pressed.

    Raises Refused for a bad link. Without a link, that is the model with which the server was started, where
    it was started with one. A link to an own model waits until that model is uploaded.
    """
    view = state.current()
    if view is not None:
        state.write_down()
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


def open_model(name: str) -> View:
    """Start working on a model; with the recipe of the link that led here, if it speaks of this model.

    Raises Refused for an unknown model, or for a recipe that cannot be done: the model is open then.
    """
    view = state.begun(name)
    link: dict[str, str] | None = st.session_state.get(LINK)
    if link is not None and link["m"] == name:
        del st.session_state[LINK]
        view = _as_linked(view, link)
        state.keep(view)
    return view


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
        state.notice(refusal(refused))
    asked_change.forget_left_over()  # not before: a run that is overtaken leaves it for the next one
    state.keep(view)


def _as_left(view: View, left: Mapping[str, Any]) -> View:
    from compress_core.apply.lineage import read_lineage
    from compress_core.recipe.reading import parse_recipe

    recipe = left.get("recipe")
    if recipe is not None:
        return state.with_recipe(view, parse_recipe(recipe))
    lineage = read_lineage(left["lineage"])
    return state.at(view, lineage) if left.get("is_new", True) else state.looking_at(view, lineage)


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
        found = state.user_model(name) if name.startswith(opened.USER_MODEL) else engine.sample(name)
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
    view = state.required()
    if link.get("m", view.model) != view.model:
        view = open_model(link["m"])
    view = _as_linked(view, link)
    take_over_choices(link)
    state.keep(replace(view, version=view.version + 1))


def _open_first_model() -> None:
    """The recipe that came with the model is an edit of it, so that Undo takes it back."""
    first = opened.first_model()
    if first is None:
        return
    view = open_model(first.name)
    if first.recipe is not None:
        with suppress(GroupsNotFoundError):  # it is done as soon as they are found
            view = state.with_recipe(view, first.recipe)
    state.keep(replace(view, seed=_seed_in(st.query_params.to_dict(), view.seed)))


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
            view = state.with_recipe(view, read_plain(recipe))
    if is_new and not _waits(view):  # whoever has been here before finds the way back to what was left
        view = replace(view, past=())
    return replace(
        view,
        layer=link["l"] if link.get("l") in state.subject(view).by_name else view.layer,
        seed=_seed_in(link, 0),
    )


def _waits(view: View) -> bool:
    """Whether groups have to be found before its model is made, which may still be refused then."""
    try:
        state.model(view)
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
        state.model(changed)
    except GroupsNotFoundError:
        return changed
    except Refused as refused:
        if first is None:
            raise
        before = state.at(view, linked[:first])
        training = linked[first]
        assert isinstance(training, Train), "found as one"
        choose_text(training.plan)
        said = _("{reason} The model before it is open, and its training is set up on Recover.")
        state.notice(said.format(reason=refusal(refused)))
        return before
    return changed
