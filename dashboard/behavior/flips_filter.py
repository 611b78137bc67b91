"""Which flips the gallery shows, and in which order: boxes, a click on the matrix, and a way back to all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from compress_core.measure.behavior.flips import FLIP_KINDS, FLIP_ORDERS, FlipKind, FlipOrder, Flips
from dashboard.figures.drawn import clicked
from dashboard.flip_words import class_of, kind_names
from dashboard.text import _, literal

if TYPE_CHECKING:
    import pandas as pd

    from compress_core.subject.subject import Subject

KEY = "slimscope.behavior.gallery"
MATRIX = "behavior.flips"
BEFORE, AFTER, KIND, SORTED = "behavior.before", "behavior.after", "behavior.kind", "behavior.order"


@dataclass(frozen=True)
class Gallery:
    """What the visitor looks at: which flips of which model, in which order, and which page from 0."""

    subject: str
    flips: Flips = field(default_factory=Flips)
    order: FlipOrder = "drop"
    page: int = 0


def shown(subject: Subject) -> Gallery:
    """What this visitor looks at; classes of another model are no filter for this one."""
    found: Gallery | None = st.session_state.get(KEY)
    return found if found is not None and found.subject == subject.key else Gallery(subject.key)


def keep(gallery: Gallery) -> None:
    """Look at this from now on."""
    st.session_state[KEY] = gallery


def draw(changed: pd.DataFrame, subject: Subject, *, has_labels: bool) -> Gallery:
    """The boxes above the gallery; all of them show what is chosen, whoever chose it."""
    gallery = shown(subject)
    columns = st.columns([1, 1, 1.4, 1.6, 0.9], vertical_alignment="bottom")
    boxes = ((BEFORE, "before", _("Predicted before")), (AFTER, "after", _("Predicted after")))
    for column, (key, name, title) in zip(columns[:2], boxes, strict=True):
        st.session_state[key] = getattr(gallery.flips, name)
        column.selectbox(
            title,
            [None, *_classes(changed[name], getattr(gallery.flips, name))],
            format_func=lambda number: _("any class") if number is None else class_of(subject, number),
            placeholder=_("any class"),
            key=key,
            on_change=_take_over,
            args=(gallery,),
        )
    if has_labels:
        _kinds(columns[2], gallery)
    _orders(columns[3], gallery)
    columns[4].button(
        _("Show all"),
        key="behavior.all",
        disabled=gallery.flips.is_all,
        on_click=keep,
        args=(replace(gallery, flips=Flips(), page=0),),
        icon=":material/filter_alt_off:",
        width="stretch",
    )
    return gallery


def _classes(present: pd.Series[Any], chosen: int | None) -> list[int]:
    """The classes that occur, and the one that is chosen."""
    return sorted({*(int(number) for number in present.unique()), *([] if chosen is None else [chosen])})


def _kinds(place: st.delta_generator.DeltaGenerator, gallery: Gallery) -> None:
    st.session_state[KIND] = gallery.flips.kind
    names = kind_names()
    place.selectbox(
        _("Which"),
        FLIP_KINDS,
        format_func=lambda kind: names[kind],
        key=KIND,
        on_change=_take_over,
        args=(gallery,),
    )


def _orders(place: st.delta_generator.DeltaGenerator, gallery: Gallery) -> None:
    st.session_state[SORTED] = gallery.order
    names = {
        "drop": _("biggest drop of confidence first"),
        "surest": _("compressed model surest first"),
        "least_sure": _("compressed model least sure first"),
    }
    place.selectbox(
        _("Order"),
        FLIP_ORDERS,
        format_func=lambda order: names[order],
        key=SORTED,
        on_change=_take_over,
        args=(gallery,),
    )


def _take_over(gallery: Gallery) -> None:
    """What the boxes say is what is looked at; another choice begins on the first page."""
    chosen = st.session_state
    kind: FlipKind = chosen.get(KIND) or "any"
    flips = Flips(kind=kind, before=chosen[BEFORE], after=chosen[AFTER])
    keep(replace(gallery, flips=flips, order=chosen[SORTED], page=0))


def take_click(subject: Subject, numbers: Sequence[int]) -> None:
    """A click on a cell of the matrix filters by its classes; another click on the same cell shows all.

    numbers: of the classes that stand along the matrix. The diagonal did not change, so it filters nothing.
    """
    event: Any = st.session_state.get(MATRIX)
    places = [clicked(point) for point in event["selection"]["points"]] if event else []
    pairs = [(numbers[place[0]], numbers[place[1]]) for place in places if len(place) == 2]
    if not pairs or pairs[0][0] == pairs[0][1]:
        return
    gallery = shown(subject)
    before, after = pairs[0]
    was = (gallery.flips.before, gallery.flips.after)
    wanted = (None, None) if was == (before, after) else (before, after)
    keep(replace(gallery, flips=Flips(kind=gallery.flips.kind, before=wanted[0], after=wanted[1]), page=0))


def headline(gallery: Gallery, found: int, every: int, said: str) -> None:
    """How many there are, and of which; said: the flips in words."""
    if gallery.flips.is_all:
        st.subheader(_("Items whose predicted class changed: {count:,}").format(count=every))
    else:
        st.subheader(
            _("{found:,} of {count:,} items whose predicted class changed: {which}").format(
                found=found, count=every, which=literal(said)
            )
        )
