"""What every page shows on top: model, items, recipe, size and accuracy, undo, redo, share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.foundation.errors import Refused
from dashboard import engine, state, tab, trial_log
from dashboard import job_panel as jobs
from dashboard.figures.words import in_bytes
from dashboard.language import choose_language
from dashboard.opened import handed_over
from dashboard.show import interval_text, number_text, untouched_text
from dashboard.text import _, current_language, languages, literal, refusal, spoken
from dashboard.undo import redone, undone
from dashboard.view import View

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.foundation.number import Number
    from compress_core.measure.behavior.metric import Metric
    from compress_core.subject.split import Split

SPLIT = "validation"


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


def draw() -> Callable[[], None]:
    """Draw the header; what it returns fills in the accuracy once the page itself stands."""
    view = state.current()
    if view is None:
        return lambda: None
    try:
        model = state.model(view)
    except Refused as refused:
        st.warning(literal(refusal(refused)), icon=":material/block:")
        return lambda: None
    with st.container(border=True, key="slimscope_header"):
        columns = st.columns([1.6, 1.5, 1.7, 3.1, 1.7], vertical_alignment="top")
        _name(columns[0], model)
        _recipe(columns[1], view)
        _size(columns[2], model)
        place = columns[3].empty()
        _buttons(columns[4], view)
        jobs.summary()
    sentence = state.taken_notice()
    with st.container():  # a place of its own, so that nothing below it is drawn anew
        if sentence:
            st.warning(literal(sentence), icon=":material/block:")
    return lambda: _fill_accuracy(place, model)


def _name(place: DeltaGenerator, model: Model) -> None:
    subject = model.subject
    place.caption(_("Model"))
    icon = ":material/info:" if subject.warnings else None
    with place.popover(literal(spoken(subject.title)), width="stretch", icon=icon):
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
    for layer, count in subject.problems.items():
        place.error(
            _("{layer} holds {count} weights that are NaN or infinite.").format(
                layer=literal(layer), count=count
            )
        )


def _recipe(place: DeltaGenerator, view: View) -> None:
    place.caption(_("Recipe"))
    changed = bool(view.recipe)
    name = view.recipe.sha[:8] if changed else _("unchanged")
    with place.popover(name, width="stretch", icon=":material/receipt_long:"):
        if changed:
            st.markdown(_("sha-256 of the resolved recipe:"))
            st.code(view.recipe.sha, language=None, wrap_lines=True)
            st.code(view.recipe.yaml, language="yaml")
        else:
            st.markdown(_("Nothing has been changed yet: move a slider on Tune."))


def _size(place: DeltaGenerator, model: Model) -> None:
    from compress_core.apply.model import Model

    bits, original = model.bits, Model.original(model.subject)
    place.caption(_("Size of the file"))
    label = f"{in_bytes(model.file_bytes)} · {original.file_bytes / model.file_bytes:.2f}x"
    with place.popover(label, width="stretch"):
        st.markdown(
            _("Exact bytes of the plain file, {now:,}, against {before:,} of the original.").format(
                now=model.file_bytes, before=original.file_bytes
            )
        )
        items = {
            _("values"): bits.values // 8,
            _("positions"): bits.positions // 8,
            _("tables"): bits.tables // 8,
            _("header"): model.file_bytes - bits.total // 8,
        }
        st.table({"": list(items), _("bytes"): [f"{count:,}" for count in items.values()]})


def _buttons(place: DeltaGenerator, view: View) -> None:
    place.caption(_("History"))
    back, forward, share = place.columns(3, gap="small")
    back.button(
        "",
        icon=":material/undo:",
        help=_("Undo"),
        key="slimscope.undo",
        disabled=not view.past,
        on_click=lambda: state.keep(undone(view)),
        width="stretch",
    )
    forward.button(
        "",
        icon=":material/redo:",
        help=_("Redo"),
        key="slimscope.redo",
        disabled=not view.future,
        on_click=lambda: state.keep(redone(view)),
        width="stretch",
    )
    with share.popover("", icon=":material/share:", help=_("Share a link"), width="stretch"):
        st.markdown(_("This link opens the same page, model, recipe, layer and seed:"))
        st.code(link(), language=None, wrap_lines=True)
        if view.model in handed_over():
            st.caption(_("It works while this server runs with this model."))
        elif view.model.startswith(state.USER_MODEL):
            st.caption(_("Whoever opens it has to upload the same model first."))


def link() -> str:
    """The address of what the visitor sees now."""
    said = {key: value for key, value in st.query_params.to_dict().items() if key != tab.QUERY_KEY}
    query = "&".join(f"{key}={value}" for key, value in said.items())
    address = (st.context.url or "").split("?")[0]
    return f"{address}?{query}" if query else address


def _fill_accuracy(place: DeltaGenerator, model: Model) -> None:
    """Numbers of the first items at once, those of all items when they are ready: no page waits for long."""
    from compress_core.measure.behavior.evaluate import evaluate

    subject = model.subject
    if SPLIT not in subject.splits:
        _accuracy(place, model, None, 0, is_quick=False)
        return
    split = subject.split(SPLIT)
    if len(split) > engine.QUICK_ITEMS and not _is_ready(model, split, engine.AT_ONCE_S):
        quick = engine.quick_numbers(model, split)
        _accuracy(place, model, quick.numbers, quick.items, is_quick=True)
        if not _is_ready(model, split, engine.PATIENCE_S):
            with place.container():
                st.fragment(_until_ready, run_every=engine.ASK_EVERY_S)(model, quick)
            return
    numbers = evaluate(model, split, engine.store())
    _accuracy(place, model, numbers, len(split), is_quick=False)
    trial_log.complete(model, numbers)


def _is_ready(model: Model, split: Split, within: float) -> bool:
    """Whether the numbers of all items are known; where nobody else waits for theirs, after some waiting."""
    return engine.is_evaluated(model, split) or engine.evaluated_within(within, model, split)


def _until_ready(model: Model, quick: engine.Quick) -> None:
    """The numbers of the first items, until those of all are there and the page is drawn with them."""
    if _is_ready(model, model.subject.split(SPLIT), 0):
        st.rerun()
    _draw_accuracy(model, quick.numbers, quick.items, is_quick=True)  # where the page drew it, not below


def _accuracy(
    place: DeltaGenerator, model: Model, numbers: Mapping[str, Number] | None, items: int, *, is_quick: bool
) -> None:
    with place.container():
        _draw_accuracy(model, numbers, items, is_quick=is_quick)


def _draw_accuracy(model: Model, numbers: Mapping[str, Number] | None, items: int, *, is_quick: bool) -> None:
    from compress_core.measure.behavior.metric import metrics

    if numbers is None:
        st.caption(_("Accuracy"))
        st.markdown(_("not measured: no items were loaded"))
        return
    headline = _headline(numbers)
    title = _("{metric} on {split}, N = {items:,}").format(
        metric=_(headline.title), split=_(SPLIT), items=items
    )
    st.caption(title + (" …" if is_quick else ""))
    changes = [metric for metric in metrics().values() if metric.change_of == headline.name]
    label = number_text(numbers[headline.name])
    for metric in changes if model.is_changed else ():
        label += f" · {number_text(numbers[metric.name])} {interval_text(numbers[metric.name])}"
    with st.popover(label, width="stretch"):
        _explain(numbers, SPLIT, items, is_quick=is_quick)


def _explain(numbers: Mapping[str, Number], split: str, items: int, *, is_quick: bool) -> None:
    """Two elements, quick or not: what a longer version left over would stay on the screen."""
    from compress_core.measure.behavior.metric import Shown, shown_metrics

    rows = [
        (_named(metric), number_text(numbers[metric.name]), interval_text(numbers[metric.name]))
        for metric in shown_metrics(Shown.HEADER)
    ]
    texts, values, intervals = zip(*rows, strict=True)
    st.table({"": texts, _("value"): values, _("95 % interval"): intervals})
    said = (
        _("The first {items:,} items of the {split} split only; all of them are being computed.")
        if is_quick
        else _("Measured on {items:,} items of the {split} split, the same for both models.")
    )
    st.caption(said.format(items=items, split=_(split)))


def _headline(numbers: Mapping[str, Number]) -> Metric:
    """The metric that stands for the model: the first one that is measured."""
    from compress_core.measure.behavior.metric import Shown, shown_metrics

    choices = shown_metrics(Shown.HEADLINE)
    return next((metric for metric in choices if numbers[metric.name].value is not None), choices[-1])


def _named(metric: Metric) -> str:
    """What a metric is called, and the kind of its interval."""
    return f"{_(metric.title)}, {_(metric.interval)}" if metric.interval else _(metric.title)
