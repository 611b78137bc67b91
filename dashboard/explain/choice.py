"""Which method explains, and which item: kept in our own state, so that they outlive a change of page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.foundation.errors import Refused
from compress_core.foundation.store import digest
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.explain.asked_place import asked_places
from compress_core.measure.explain.attribution import (
    AttributionMethod,
    attribution_methods,
    offered_methods,
)
from compress_core.measure.explain.methods import FIRST_METHOD
from compress_core.subject.answer_kind import AnswerKind, PredictionTask
from compress_core.subject.item_words import item_words
from dashboard import engine, linked_choices, page_files
from dashboard.explain.asked_words import value_name
from dashboard.text import _, label, literal, refusal, translated

if TYPE_CHECKING:
    from compress_core.measure.behavior.flips import Flips
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject

METHOD, ITEM = linked_choices.METHOD, linked_choices.ITEM  # a link carries both
ONLY, CAME_FROM = "slimscope.explain.only", "slimscope.explain.came_from"
WIDGET = "explain.item"


def offered(subject: Subject, split: Split) -> tuple[AttributionMethod, ...]:
    """The methods that can explain this model."""
    key = digest("offered methods", subject.key, split.inputs.shape[1:])
    return engine.store().get(
        key, lambda: offered_methods(subject.network, split.inputs[:1], subject.answers)
    )


def why_none(subject: Subject, split: Split) -> Refused | None:
    """Why the answers of this model are not explained; None where a method is on offer."""
    if offered(subject, split):
        return None
    key = digest("refused methods", subject.key, split.inputs.shape[1:])
    first = next(iter(attribution_methods().values()))
    return engine.store().get(key, lambda: first.refusal(subject.network, split.inputs[:1]))


def method(place: DeltaGenerator, subject: Subject, split: Split) -> AttributionMethod | None:
    """The method that the visitor chose among those on offer; None where there is none."""
    choices = {found.name: found for found in offered(subject, split)}
    reason = why_none(subject, split)
    if reason is not None:
        place.warning(
            _("No method can explain this model. {reason}").format(reason=literal(refusal(reason))),
            icon=":material/block:",
        )
        return None
    usual = usual_method(subject, split)
    key = f"explain.method.{subject.key[:12]}"
    chosen = place.segmented_control(
        _("Method"),
        list(choices),
        default=None if usual is None else usual.name,
        format_func=label,
        key=key,
        required=True,
        on_change=_take_over_method,
        args=(key,),
    )
    found = choices[chosen or next(iter(choices))]
    st.session_state[METHOD] = found.name
    place.caption(f"{literal(translated(found.summary))} {literal(found.source)}")
    if subject.answers is AnswerKind.VECTORS:
        place.caption(
            _(
                "Methods that ask how the score changes where the item stands are not on offer: the cosine "
                "of a vector with itself is at its largest there, so that every change is zero."
            )
        )
    return found


def usual_method(subject: Subject, split: Split) -> AttributionMethod | None:
    """The method that the visitor chose last, or the first one that can explain this model."""
    choices = {found.name: found for found in offered(subject, split)}
    wish = st.session_state.get(METHOD, FIRST_METHOD)
    return choices.get(wish) or next(iter(choices.values()), None)


def item(place: DeltaGenerator, comparison: Comparison) -> int:
    """The number of the item that the visitor looks at, from 0."""
    last = comparison.before.item_count - 1
    st.session_state[WIDGET] = min(st.session_state.get(ITEM, 0), last)
    number, following = place.columns([1, 1.3], vertical_alignment="bottom", gap="small")
    chosen = int(
        number.number_input(
            _("Item, 0 to {last:,}").format(last=last), 0, last, step=1, key=WIDGET, on_change=_take_over
        )
    )
    if comparison.before.kind.has_classes:
        _to_changed(following, comparison, chosen)
    else:
        _to_moved(following, comparison, chosen)
    return chosen


def _to_changed(place: DeltaGenerator, comparison: Comparison, current: int) -> None:
    changed = comparison.items_changed.tolist()
    place.button(
        _("Next changed item"),
        on_click=show,
        args=(next_after(changed, current),),
        disabled=not changed,
        help=_("{count:,} of {items:,} items are predicted differently after compression.").format(
            count=len(changed), items=comparison.before.item_count
        ),
        icon=":material/skip_next:",
        width="stretch",
    )


def _to_moved(place: DeltaGenerator, comparison: Comparison, current: int) -> None:
    """The items by how far their answers moved, the furthest first."""
    order = comparison.shifts()
    moved = order["item"][~(order["shift"] <= 0)].tolist()
    place.button(
        _("Next moved item"),
        on_click=show,
        args=(_behind(moved, current),),
        disabled=not moved,
        help=_(
            "{count:,} of {items:,} items are answered differently after compression; the answer that moved "
            "furthest comes first."
        ).format(count=len(moved), items=comparison.before.item_count),
        icon=":material/skip_next:",
        width="stretch",
    )


def _behind(order: list[int], current: int) -> int:
    """The one behind the current one in this order; the first where it is the last, or none of them."""
    place = order.index(current) + 1 if current in order else 0
    return order[place % len(order)] if order else current


def asked_value(subject: Subject) -> int | None:
    """Which of the real numbers of an answer is explained; None where it has one, or none."""
    if subject.task is not PredictionTask.REGRESSION or len(subject.classes) < 2:
        return None
    return st.selectbox(
        _("Which value is explained"),
        range(len(subject.classes)),
        format_func=lambda value: value_name(subject, value),
        key=f"explain.value.{subject.key[:12]}",
    )


def asked_place(subject: Subject, split: Split, item: int) -> int | None:
    """The word that is asked about, by its place; None where an item has one answer."""
    places = asked_places(subject, split)
    if subject.task is not PredictionTask.TOKENS or not subject.input.is_text:
        return None
    words = item_words(subject.input, split.inputs[item])
    named = dict(zip(words.places, words.texts, strict=True))
    if not named:
        return None
    usual = max(named) if places is None else int(places[item])
    key = f"explain.place.{subject.key[:12]}.{split.name}.{item}"
    return st.selectbox(
        _("Which word's answer is explained"),
        list(named),
        index=list(named).index(usual) if usual in named else len(named) - 1,
        format_func=lambda at: f"{at}: {named[at].strip()}",
        key=key,
    )


def show(wanted: int) -> None:
    """Look at this item from the next run on."""
    st.session_state[ITEM] = wanted


def led_from(page: str) -> None:
    """Whoever looks at an item now came from this page, and finds a link back."""
    st.session_state[CAME_FROM] = page


def way_back() -> None:
    """The link back to where the item was chosen; nothing where it was chosen here."""
    page = st.session_state.get(CAME_FROM)
    if page is not None:
        page_files.link(page)


def explain_only(flips: Flips | None) -> None:
    """Of many items, explain these flips from the next run on; None: all items."""
    st.session_state[ONLY] = flips


def explained_only() -> Flips | None:
    """The flips that are explained; None where it is all items."""
    found: Flips | None = st.session_state.get(ONLY)
    return found


def next_after(numbers: list[int], current: int) -> int:
    """The first of the ascending numbers above the current one, or from the beginning again."""
    return next((number for number in numbers if number > current), numbers[0] if numbers else current)


def _take_over_method(key: str) -> None:
    """Before the page runs, since its header shows the link."""
    if st.session_state[key] is not None:
        st.session_state[METHOD] = st.session_state[key]


def _take_over() -> None:
    show(int(st.session_state[WIDGET]))
