"""What every page shows on top, in one line: model, recipe, size, accuracy and churn; undo, redo, share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.foundation.errors import Refused
from dashboard import group_search, header_numbers, number_strip, share_link, state, trial_log
from dashboard import job_panel as jobs
from dashboard.language import choose_language
from dashboard.lineage_name import lineage_name, methods_text
from dashboard.long_searches import GroupsNotFoundError
from dashboard.number_strip import box, label
from dashboard.page_manners import REDO, UNDO
from dashboard.show import untouched_text
from dashboard.text import _, current_language, languages, literal, refusal, spoken
from dashboard.undo import redone, undone
from dashboard.view import View

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.subject.subject import Subject

SPLIT = header_numbers.SPLIT


def footer() -> None:
    """The language, at the foot of every page."""
    st.divider()
    codes = list(languages())
    chosen = st.segmented_control(
        _("Language"),
        codes,
        default=current_language(),
        format_func=lambda code: languages()[code],
        key="slimscope.language.choice",
        label_visibility="collapsed",
        required=True,
    )
    if chosen is not None and chosen != current_language():
        choose_language(chosen)
        view = state.current()
        if view is not None:  # a box with a key keeps showing its choice in the old language
            state.keep(replace(view, version=view.version + 1))
        st.rerun()


def draw(*, is_of_model: bool = True) -> Callable[[], None]:
    """Draw the header; what it returns fills in slow numbers once the page itself stands.

    is_of_model: whether the page below it shows the open model. Where it does not, as a lesson, what is wrong
    with that model is not said above it.
    """
    view = state.current()
    if view is None:
        return lambda: None
    try:
        model = group_search.model_of_view(view)
    except GroupsNotFoundError:
        return _without_numbers(view)
    except Refused as refused:
        if is_of_model:
            st.warning(literal(refusal(refused)), icon=":material/block:")
            _way_out(view)
        _notice()
        group_search.draw_waiting()
        return lambda: None
    file_bytes, known = model.file_bytes, number_strip.Known.of(model)
    with _line():  # all at once: the browser takes what stands beside the name of a recipe for numbers of it
        _name(model.subject)
        _recipe(view, model)
        with _numbers():
            fill = number_strip.draw(model, file_bytes, known)
            _jobs()
        link = _history(view)
    with st.container():  # a place of its own, so that nothing below it is drawn anew
        if is_of_model:
            _problems(model.subject)
        _notice()
        group_search.draw_waiting()
    return lambda: _when_the_page_stands(view, link, fill)


def _line() -> DeltaGenerator:
    return st.container(
        border=True,
        key="slimscope_header",
        horizontal=True,
        wrap=False,
        vertical_alignment="center",
        gap="small",
    )


def _numbers() -> DeltaGenerator:
    """What a phone shows in a line of its own: the other boxes stand in a second one."""
    return st.container(key="slimscope_numbers", horizontal=True, wrap=False, width="content", gap="small")


def _jobs() -> None:
    """In a place of its own, so that what stands behind it keeps its place where a job begins or ends."""
    with st.container(width="content"):
        jobs.summary()


def _without_numbers(view: View) -> Callable[[], None]:
    """Of a model that is made once its groups are found: its name, undo, redo, share, each in its place."""
    with _line():
        _name(state.subject(view))
        with box("recipe").popover(label(_("Recipe"), lineage_name(view.lineage))):
            _history_of(view)
        with _numbers():
            number_strip.leave_empty()
            _jobs()
        link = _history(view)
    _notice()
    group_search.draw_waiting()
    return lambda: share_link.write(link, view)


def _notice() -> None:
    """What became of what was asked for, said once."""
    sentence = state.taken_notice()
    if sentence:
        st.warning(literal(sentence), icon=":material/block:")


def _way_out(view: View) -> None:
    """Of a model that cannot be made any more: undo and redo, and back to before what was lost."""
    with st.container(horizontal=True, gap="small"):
        if view.trainings:
            st.button(
                _("Go back to before the training"),
                key="slimscope.before_training",
                icon=":material/undo:",
                on_click=_go_before_training,
            )
        _history(view)


def _go_before_training() -> None:
    view = state.required()
    before = view.lineage[: len(view.lineage) - len(view.trainings)]
    try:
        state.keep(state.looking_at(view, before))
    except Refused as refused:
        state.notice(refusal(refused))


def _when_the_page_stands(view: View, link: DeltaGenerator, fill: Callable[[], None]) -> None:
    share_link.write(link, view)
    _fill_accuracy(fill)


def _fill_accuracy(fill: Callable[[], None]) -> None:
    """The numbers that take a while."""
    fill()


def _name(subject: Subject) -> None:
    icon = ":material/info:" if subject.warnings else None
    named = label(_("Model"), literal(spoken(subject.title)))
    with box("model").popover(named, icon=icon):
        st.markdown(literal(_(subject.summary)))
        for sentence in subject.warnings:
            st.warning(literal(_(sentence)))
        st.markdown(
            _("{parameters} parameters, {layers} layers that can be compressed.").format(
                parameters=f"{subject.parameters:,}", layers=len(subject.layers)
            )
        )
        for shared in subject.shared_weights:
            st.caption(literal(_(shared)))
        for left in subject.untouched:
            st.caption(untouched_text(left))


def _problems(subject: Subject) -> None:
    for layer, count in subject.problems.items():
        st.error(
            _("Layer {layer} is NaN or infinite in {count} of its weights.").format(
                layer=literal(layer), count=count
            )
        )


def _recipe(view: View, model: Model) -> None:
    """Its digest, and the name that the visitor gave it in the log; without one it was edited since."""
    changed = bool(view.lineage)
    value = _("unchanged")
    if changed:
        name = next((line.name for line in trial_log.named(model.subject) if line.model == model.key), None)
        value = f"{lineage_name(view.lineage)} · {_('edited') if name is None else literal(name)}"
    with box("recipe").popover(label(_("Recipe"), value)):
        _history_of(view)
        if not changed:
            st.markdown(_("Nothing has been changed yet: move a slider on Tune."))


def _history_of(view: View) -> None:
    """The recipe, and what was done beside it: trainings, and recipes under this one."""
    from compress_core.apply.lineage import Train

    if view.recipe:
        st.markdown(_("sha-256 of the resolved recipe:"))
        st.code(view.recipe.sha, language=None, wrap_lines=True)
        st.code(view.recipe.yaml, language="yaml")
    for operation in view.lineage:
        if isinstance(operation, Train):
            said = _("Trained by {methods}, {epochs} epochs:")
            st.markdown(said.format(methods=methods_text(operation), epochs=operation.epochs))
            st.code(operation.plan, language="json", wrap_lines=True)
        elif operation.recipe != view.recipe:
            st.markdown(_("On top of recipe {recipe}:").format(recipe=operation.recipe.sha[:8]))
            st.code(operation.recipe.yaml, language="yaml")


def _history(view: View) -> DeltaGenerator:
    """Undo, redo, share; gives the place of the link."""
    with st.container(key="slimscope_history", horizontal=True, wrap=False, width="content", gap="xxsmall"):
        st.button(
            _("Undo"),
            icon=":material/undo:",
            help=_("Undo (Ctrl+Z)"),
            key=UNDO,
            disabled=not view.past,
            on_click=_step,
            args=(undone,),
        )
        st.button(
            _("Redo"),
            icon=":material/redo:",
            help=_("Redo (Ctrl+Shift+Z)"),
            key=REDO,
            disabled=not view.future,
            on_click=_step,
            args=(redone,),
        )
        with st.popover(
            _("Share"),
            icon=":material/share:",
            key=share_link.BOX,
            help=_("Share, present"),
            on_change="rerun",  # so that it can be closed from here
        ):
            return share_link.draw(view)


def _step(taken: Callable[[View], View]) -> None:
    """From where the visitor is now: a second press may come before the page of the first is drawn."""
    view = state.current()
    if view is not None:
        state.keep(taken(view))
