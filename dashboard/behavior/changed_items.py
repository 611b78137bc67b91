"""The items whose predicted class changed, a page of them at a time: each leads to its explanation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from compress_core.measure.behavior.flips import flips_ordered
from compress_core.measure.behavior.item_table import with_file_items
from compress_core.subject.answer_kind import PredictionTask
from compress_core.subject.wave_form import wave_form
from dashboard import engine, page_files
from dashboard.behavior import explain_flips, flips_filter
from dashboard.explain import choice
from dashboard.figures.pictures import item_image
from dashboard.figures.wave_lines import wave_picture
from dashboard.flip_words import class_of, flips_text, kind_names
from dashboard.item_number import number_of, numbers_of
from dashboard.item_view import said_by
from dashboard.number_table import number_table
from dashboard.show import provenance
from dashboard.text import _, literal
from dashboard.trade_offs import tab_files

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.measure.behavior.compare import Comparison
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject
    from dashboard.behavior.flips_filter import Gallery
    from dashboard.view import View

A_PAGE, ACROSS = 12, 6
MOST_FEATURES = 40


@dataclass(frozen=True)
class GalleryPage:
    """A page of a list: its items are those from `first` to before `last`, of `every`."""

    page: int
    pages: int
    first: int
    last: int
    every: int


def gallery_page(every: int, page: int, size: int = A_PAGE) -> GalleryPage:
    """The page with that number from 0, or the last one where there are not so many."""
    pages = max(1, -(-every // size))
    page = min(max(page, 0), pages - 1)
    return GalleryPage(page, pages, page * size, min((page + 1) * size, every), every)


def draw(view: View, model: Model, compared: Comparison, split: Split) -> None:
    """The filter, the job that explains what it leaves, a page of items, and all of them as a table."""
    subject = model.subject
    changed = compared.changed_items()
    gallery = flips_filter.shown(subject)
    found = flips_ordered(gallery.flips.of(changed), gallery.order)
    flips_filter.headline(gallery, len(found), len(changed), flips_text(gallery.flips, subject))
    if changed.empty:
        st.caption(_("None. Both models give every item that they answer the same class."))
        return
    flips_filter.draw(changed, subject, has_labels=compared.has_labels)
    if found.empty:
        st.caption(_("None of this kind: show all, or choose another class."))
        return
    explain_flips.draw(view, model, split, gallery.flips, len(found))
    part = gallery_page(len(found), gallery.page)
    _turn_pages(gallery, part)
    rows = found.iloc[part.first : part.last]
    if subject.input.is_image or wave_form(subject) is not None:
        _pictures(rows, subject, split)
    else:
        _rows(rows, subject, split)
    _table(found, subject, split)


def _table(found: pd.DataFrame, subject: Subject, split: Split) -> None:
    """All that the filter leaves; the file holds the same in words that no language changes."""
    named = found.assign(
        label=["" if pd.isna(v) else class_of(subject, int(v)) for v in found["label"]],
        before=[class_of(subject, v) for v in found["before"]],
        after=[class_of(subject, v) for v in found["after"]],
    )
    of = provenance(split=split.name, items=len(split))
    taken = with_file_items(named, split)
    number_table(_named(found, subject, split), "behavior.changed", of, taken=taken, height=280)


def _turn_pages(gallery: Gallery, part: GalleryPage) -> None:
    back, said, forth = st.columns([1, 2, 1], vertical_alignment="center")
    turns = ((back, _("Previous"), -1, "chevron_left"), (forth, _("Next"), 1, "chevron_right"))
    for place, title, step, icon in turns:
        place.button(
            title,
            key=f"behavior.turn.{step}",
            disabled=not 0 <= part.page + step < part.pages,
            on_click=flips_filter.keep,
            args=(replace(gallery, page=part.page + step),),
            icon=f":material/{icon}:",
            width="stretch",
        )
    said.markdown(
        _("{first:,} to {last:,} of {every:,}").format(
            first=part.first + 1, last=part.last, every=part.every
        ),
        text_alignment="center",
    )


def _pictures(rows: pd.DataFrame, subject: Subject, split: Split) -> None:
    for start in range(0, len(rows), ACROSS):
        columns = st.columns(ACROSS, gap="small")
        for column, (_index, row) in zip(columns, rows[start : start + ACROSS].iterrows(), strict=False):
            with column.container(border=True, gap="small"):
                said = _said(row, subject, split)
                st.image(picture_of(subject, split, int(row["item"])), width="stretch", alt=said)
                st.caption(literal(said))
                _explain(row)


def _rows(rows: pd.DataFrame, subject: Subject, split: Split) -> None:
    """Items that are no pictures: what was said of each, then the values that the model was given."""
    for start in range(0, len(rows), ACROSS // 2):
        columns = st.columns(ACROSS // 2, gap="small")
        shown = rows[start : start + ACROSS // 2]
        for column, (_index, row) in zip(columns, shown.iterrows(), strict=False):
            with column.container(border=True, gap="small"):
                if subject.input.is_text:
                    st.markdown(literal(said_by(subject, split, int(row["item"]))))
                    st.caption(literal(_said(row, subject, split)))
                else:
                    st.markdown(literal(_said(row, subject, split)))
                _explain(row)
    if subject.input.is_text:
        return
    once = rows.drop_duplicates("item")
    values = _values(once, subject, split)
    of = provenance(split=split.name, items=len(once))
    taken = values.set_axis([f"item_{item}" for item in once["item"]], axis="columns")
    taken = taken.rename_axis("feature").reset_index()
    number_table(values, "behavior.values", of, taken=taken, hide_index=False)


def _values(rows: pd.DataFrame, subject: Subject, split: Split) -> pd.DataFrame:
    """The values of these items, one column each, a row for each feature."""
    items = rows["item"].to_numpy(copy=True)
    values = subject.input.raw(split.inputs[items]).flatten(1).numpy()
    features = subject.input.features or tuple(str(place) for place in range(values.shape[1]))
    heads = [_("item {item}").format(item=number_of(split, item)) for item in items]
    return pd.DataFrame(values.T, index=pd.Index(features, name=_("feature")), columns=heads)[:MOST_FEATURES]


def _said(row: pd.Series, subject: Subject, split: Split) -> str:
    before, after = class_of(subject, row["before"]), class_of(subject, row["after"])
    said = _("item {item}: {before} before, {after} now").format(
        item=_item_and_part(row, subject, split), before=before, after=after
    )
    if pd.notna(row["label"]):
        said += ", " + _("label {label}").format(label=class_of(subject, int(row["label"])))
    if pd.notna(row["confidence_before"]) and pd.notna(row["confidence_after"]):
        said += f" ({100 * row['confidence_before']:.0f} % → {100 * row['confidence_after']:.0f} %)"
    return said


def _item_and_part(row: pd.Series, subject: Subject, split: Split) -> str:
    """The number of an item, and which of its labels or places is meant where it has several."""
    item = number_of(split, int(row["item"]))
    return f"{item}, {_part_of(subject, int(row['part']))}" if "part" in row else item


def _part_of(subject: Subject, part: int) -> str:
    if subject.task is PredictionTask.LABELS:
        return subject.classes[part]
    return _("place {place}").format(place=part)


def _explain(row: pd.Series) -> None:
    """The buttons below an item: to its explanation, and to the layer whose compression made it flip.

    Layers are put back for an answer that is one class: where one item has several, nothing leads there.
    """
    item = int(row["item"])
    key = f"{item}.{int(row['part'])}" if "part" in row else str(item)
    explain = st.button(
        _("Explain item {item}").format(item=item),
        key=f"behavior.explain.{key}",
        icon=":material/visibility:",
        width="stretch",
    )
    which = "part" not in row and st.button(
        _("Which layer?"),
        key=f"behavior.which_layer.{key}",
        icon=":material/layers:",
        help=_("Puts one layer back at a time: whose compression made it flip?"),
        width="stretch",
    )
    if explain or which:
        choice.show(item)
        if which:
            tab_files.open_tab("which_layer")
        st.switch_page(page_files.page_files()["explain" if explain else "trade_offs"].path)


def picture_of(subject: Subject, split: Split, item: int) -> bytes:
    """An item as a picture, encoded once."""

    def make() -> bytes:
        wave = wave_form(subject)
        if wave is not None:
            return wave_picture(wave.of(subject, split, item))
        return item_image(subject.input.raw(split.inputs[item : item + 1])[0].numpy(), low=0, high=1)

    return engine.store().get(f"picture:{split.digest}:{item}", make, len)


def _named(items: pd.DataFrame, subject: Subject, split: Split) -> pd.DataFrame:
    kinds = kind_names()
    parts = {_("part"): [_part_of(subject, int(p)) for p in items["part"]]} if "part" in items else {}
    return pd.DataFrame(
        {
            **numbers_of(split, items["item"]),
            **parts,
            _("label"): [None if pd.isna(v) else class_of(subject, int(v)) for v in items["label"]],
            _("before"): [class_of(subject, v) for v in items["before"]],
            _("after"): [class_of(subject, v) for v in items["after"]],
            _("confidence before"): items["confidence_before"].round(4),
            _("confidence after"): items["confidence_after"].round(4),
            _("drop of confidence"): items["drop"].round(4),
            _("kind"): [kinds[k] for k in items["kind"]],
        }
    )
