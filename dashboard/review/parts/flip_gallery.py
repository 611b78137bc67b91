"""The items whose predicted class changed, both ways: by class or cell, each leads to Explain and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

import pandas as pd
import streamlit as st

from compress_core.measure.behavior.item_table import with_file_items
from compress_core.reviews.evidence_tables import provenance_of, tables_of
from compress_core.subject.wave_form import wave_form
from dashboard import chosen_split, page_files
from dashboard.behavior.changed_items import ACROSS, GalleryPage, gallery_page, picture_of
from dashboard.explain import choice
from dashboard.flip_words import kind_names
from dashboard.item_number import number_of, numbers_of
from dashboard.item_view import said_by
from dashboard.number_table import height_of, number_table
from dashboard.text import _, literal, spoken

if TYPE_CHECKING:
    from compress_core.reviews.findings import FlippedItem
    from compress_core.subject.split import Split
    from dashboard.review.review_job import ReviewOnPage

Choice = TypeVar("Choice")
STATE = "slimscope.review.gallery"
CELL, CLASS, KIND = "review.flips.cell", "review.flips.class", "review.flips.kind"
MOST_PX = 320


@dataclass(frozen=True)
class FlipsShown:
    """Which flips the visitor looks at: of one cell (before, after), of one class, of one kind; None: all."""

    cell: tuple[str, str] | None = None
    of_class: str | None = None
    kind: str | None = None
    page: int = 0

    def has(self, flip: FlippedItem) -> bool:
        """Whether an item is among them; it is of a class that it is, was taken for, or is taken for."""
        return (
            self.cell in {None, (flip.before, flip.after)}
            and self.of_class in {None, flip.label, flip.before, flip.after}
            and self.kind in {None, flip.kind}
        )


def draw(shown: ReviewOnPage) -> None:
    """How many changed which way, the boxes, a page of items, and all of them as a table."""
    flips = shown.review.flips
    if not flips:
        st.caption(_("None. Both models give every item that they answer the same class."))
        return
    counts = Counter(flip.kind for flip in flips)
    kinds = kind_names()
    st.markdown(" · ".join(f"{kinds[kind]}: **{counts[kind]:,}**" for kind in kinds if kind in counts))
    wanted = _wanted(shown)
    _boxes(shown, wanted)
    found = [flip for flip in flips if wanted.has(flip)]
    if not found:
        st.caption(_("None of this kind: show all, or choose another class."))
        return
    part = gallery_page(len(found), wanted.page, ACROSS)
    _turn_pages(wanted, part)
    _items(shown, found[part.first : part.last])
    _table(shown, found)


def _wanted(shown: ReviewOnPage) -> FlipsShown:
    """What this visitor looks at; a class or cell that does not occur in this review is no filter."""
    found: FlipsShown = st.session_state.get(STATE, FlipsShown())
    alone = (FlipsShown(found.cell), FlipsShown(of_class=found.of_class), FlipsShown(kind=found.kind))
    occurs = (any(map(each.has, shown.review.flips)) for each in alone)
    return found if all(occurs) else FlipsShown()


def _keep(wanted: FlipsShown) -> None:
    st.session_state[STATE] = wanted


def _boxes(shown: ReviewOnPage, wanted: FlipsShown) -> None:
    flips = shown.review.flips
    cells = {(cell.before, cell.after): cell.count for cell in shown.review.cells}
    classes = sorted({name for flip in flips for name in (flip.label, flip.before, flip.after) if name})
    kinds = kind_names()
    cell, of_class, kind, button = st.columns([1.4, 1, 1.2, 0.9], vertical_alignment="bottom")
    with cell:
        _Box(
            CELL,
            wanted.cell,
            list(cells),
            lambda pair: f"{spoken(pair[0])} → {spoken(pair[1])} ({cells[pair]:,})",
            lambda pair: replace(wanted, cell=pair, page=0),
        ).draw(_("From which class to which"))
    with of_class:
        _Box(
            CLASS, wanted.of_class, classes, spoken, lambda name: replace(wanted, of_class=name, page=0)
        ).draw(_("Class"))
    with kind:
        _Box(
            KIND,
            wanted.kind,
            [kind for kind in kinds if any(flip.kind == kind for flip in flips)],
            lambda name: kinds[name],
            lambda name: replace(wanted, kind=name, page=0),
        ).draw(_("Which"))
    button.button(
        _("Show all"),
        key="review.flips.all",
        disabled=wanted == FlipsShown(page=wanted.page),
        on_click=_keep,
        args=(FlipsShown(),),
        icon=":material/filter_alt_off:",
        width="stretch",
    )


@dataclass(frozen=True)
class _Box(Generic[Choice]):
    """A box that leaves everything in, or one thing: its key, what is chosen, what there is."""

    key: str
    chosen: Choice | None
    there: Sequence[Choice]
    named: Callable[[Choice], str]
    taken: Callable[[Choice | None], FlipsShown]

    def draw(self, title: str) -> None:
        """Show what is chosen, whoever chose it."""
        st.session_state[self.key] = self.chosen
        st.selectbox(
            title,
            [None, *self.there],
            format_func=lambda one: _("all") if one is None else self.named(one),
            placeholder=_("all"),
            key=self.key,
            on_change=lambda: _keep(self.taken(st.session_state[self.key])),
        )


def _turn_pages(wanted: FlipsShown, part: GalleryPage) -> None:
    back, said, forth = st.columns([1, 2, 1], vertical_alignment="center")
    turns = ((back, _("Previous"), -1, "chevron_left"), (forth, _("Next"), 1, "chevron_right"))
    for place, title, step, icon in turns:
        place.button(
            title,
            key=f"review.turn.{step}",
            disabled=not 0 <= part.page + step < part.pages,
            on_click=_keep,
            args=(replace(wanted, page=part.page + step),),
            icon=f":material/{icon}:",
            width="stretch",
        )
    said.markdown(
        _("{first:,} to {last:,} of {every:,}").format(
            first=part.first + 1, last=part.last, every=part.every
        ),
        text_alignment="center",
    )


def _items(shown: ReviewOnPage, flips: Sequence[FlippedItem]) -> None:
    """An item each: its picture where it is one, what was said of it, and the way to its explanation."""
    subject = shown.model.subject
    split = subject.split(shown.review.model.split)
    for column, flip in zip(st.columns(ACROSS, gap="small"), flips, strict=False):
        with column.container(border=True, gap="small"):
            said = _said(flip, split)
            if subject.input.is_image or wave_form(subject) is not None:
                st.image(picture_of(subject, split, flip.item), width="stretch", alt=said)
            elif subject.input.is_text:
                st.markdown(literal(said_by(subject, split, flip.item)))
            st.caption(literal(said))
            pressed = st.button(
                _("Explain item {item}").format(item=flip.item),
                key=f"review.explain.{flip.item}",
                icon=":material/visibility:",
                disabled=shown.is_stale,
                width="stretch",
            )
            if pressed:
                _lead_to_explain(split.name, flip.item)


def _lead_to_explain(split: str, item: int) -> None:
    """Explain shows this item of these items, and a link back."""
    chosen_split.choose(split)
    choice.show(item)
    choice.led_from("review")
    st.switch_page(page_files.page_files()["explain"].path)


def _said(flip: FlippedItem, split: Split) -> str:
    said = _("item {item}: {before} before, {after} now").format(
        item=number_of(split, flip.item), before=spoken(flip.before), after=spoken(flip.after)
    )
    if flip.label is not None:
        said += ", " + _("label {label}").format(label=flip.label)
    if flip.confidence_before is not None and flip.confidence_after is not None:
        said += f" ({100 * flip.confidence_before:.0f} % → {100 * flip.confidence_after:.0f} %)"
    return said


def _table(shown: ReviewOnPage, found: Sequence[FlippedItem]) -> None:
    """What the boxes leave; the file holds all flips in words that no language changes."""
    kinds, split = kind_names(), shown.model.subject.split(shown.review.model.split)
    table = {
        **numbers_of(split, pd.Series([flip.item for flip in found])),
        _("label"): [flip.label for flip in found],
        _("before"): [spoken(flip.before) for flip in found],
        _("after"): [spoken(flip.after) for flip in found],
        _("confidence before"): [flip.confidence_before for flip in found],
        _("confidence after"): [flip.confidence_after for flip in found],
        _("kind"): [kinds[flip.kind] for flip in found],
    }
    number_table(
        pd.DataFrame(table).round(4),
        "review.flips",
        provenance_of(shown.review),
        taken=with_file_items(tables_of(shown.review)["flips"], split),
        height=height_of(len(found), MOST_PX),
    )
