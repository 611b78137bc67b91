"""What comes after the items: labels of those on which both models disagree, and a group for each item."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st

from compress_core.foundation.errors import Refused
from dashboard import engine, state
from dashboard.refused_here import notice_beside
from dashboard.show import csv_button
from dashboard.text import _, literal, refusal
from dashboard.uploaded_files import just_given, let_go
from dashboard.visitor import visitor

if TYPE_CHECKING:
    from compress_core.reviews.findings import Review
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject

LABELS, GROUPS = "review.labels_file", "review.groups_file"
_KEPT = "slimscope.review.later_files"
_KIND = "later_files"


@dataclass(frozen=True)
class LaterFiles:
    """What a visitor uploaded for the items of one digest: (item, class) pairs, and a group for each item."""

    items: str = ""
    labels: tuple[tuple[int, int], ...] = ()
    groups: tuple[str, ...] = ()


def given(split: Split) -> LaterFiles:
    """What was uploaded for these items, in this tab or an earlier one; nothing of what was for others."""
    kept: LaterFiles = st.session_state.get(_KEPT, LaterFiles())
    if kept.items != split.digest:
        kept = st.session_state[_KEPT] = _found(split.digest)
    return kept


def _found(items: str) -> LaterFiles:
    """What the workspace holds of a visitor for the items of a digest."""
    content = engine.workspace().results.find(_key_of(items))
    if content is None:
        return LaterFiles(items)
    said = json.loads(content)
    return LaterFiles(items, tuple((item, label) for item, label in said["labels"]), tuple(said["groups"]))


def _key_of(items: str) -> str:
    return f"{_KIND} {visitor()} {items}"


def draw(subject: Subject, split: Split, review: Review | None) -> None:
    """A button with both places for files; review: the one that is shown, which says what needs a label."""
    now = given(split)
    with st.popover(_("Labels, groups"), icon=":material/label:"):
        _labels(subject, split, now, review)
        _groups(split, now)


def _labels(subject: Subject, split: Split, now: LaterFiles, review: Review | None) -> None:
    st.markdown(f"**{_('Labels that come later')}**")
    if split.labels is not None:
        st.caption(_("These items came with their labels."))
        return
    st.caption(
        _(
            "Where both models say the same, no label is needed to know how accuracy changed. Take the list "
            "of the other items, fill in its last column with names or numbers of classes, and upload it."
        )
    )
    _list_to_fill_in(split, review)
    st.file_uploader(
        _("Labels: a CSV file with the columns item and label"),
        ["csv"],
        key=LABELS,
        on_change=_take,
        args=(LABELS, lambda text: _read_labels(text, split, subject.classes)),
    )
    notice_beside(LABELS)
    if now.labels:
        _standing(
            _("{count:,} labels are taken.").format(count=len(now.labels)), replace(now, labels=()), LABELS
        )


def _list_to_fill_in(split: Split, review: Review | None) -> None:
    if review is None or review.model.items != split.digest:
        st.caption(_("The list is there after the first review."))
    elif not review.is_of_classes:
        st.caption(_("The answers are no classes, so that labels later on are of no use here."))
    elif not review.flips:
        st.caption(_("Both models give every item that they answer the same class: no label is needed."))
    else:
        from compress_core.reviews.evidence_tables import items_to_label, provenance_of

        table = items_to_label(review, split)
        csv_button(st.container(), "review.items_to_label", table, provenance_of(review))


def _groups(split: Split, now: LaterFiles) -> None:
    st.markdown(f"**{_('Subgroups')}**")
    st.caption(_("For gates on the worst subgroup: a row for each of the {n:,} items.").format(n=len(split)))
    if split.numbers is not None:
        st.caption(
            _(
                "Some items of the file were set apart: the column item numbers those of the {split} split "
                "alone. A column file_item instead of it numbers them as in the file."
            ).format(split=_(split.name))
        )
    st.file_uploader(
        _("Groups: a CSV file with the columns item and group"),
        ["csv"],
        key=GROUPS,
        on_change=_take,
        args=(GROUPS, lambda text: _read_groups(text, split)),
    )
    notice_beside(GROUPS)
    if now.groups:
        names = sorted(set(now.groups))
        shown = literal(", ".join(names[:6])) + (", …" if len(names) > 6 else "")
        said = _("{count:,} groups are taken: {names}").format(count=len(names), names=shown)
        _standing(said, replace(now, groups=()), GROUPS)


def _standing(said: str, without: LaterFiles, key: str) -> None:
    """What was taken, and a way to be rid of it."""
    st.markdown(said)
    st.button(
        _("Leave out"),
        key=f"{key}.leave_out",
        icon=":material/close:",
        on_click=_leave_out,
        args=(without, key),
    )


def _keep(files: LaterFiles) -> None:
    """Take what is given from now on, and on the disk, so that a reload still has it; raises Refused."""
    content = json.dumps({"labels": files.labels, "groups": files.groups}).encode()
    st.session_state[_KEPT] = files
    engine.workspace().results.keep(_key_of(files.items), _KIND, content)


def _leave_out(without: LaterFiles, key: str) -> None:
    try:
        _keep(without)
    except Refused as refused:
        state.notice(refusal(refused), beside=key)


def _take(key: str, read: Callable[[str], LaterFiles]) -> None:
    """Read a file; what is refused is said on the next run, and what was taken before stays."""
    file = just_given(key)
    if file is None:
        return
    try:
        _keep(read(file.getvalue().decode("utf-8-sig", errors="replace")))
    except Refused as refused:
        state.notice(refusal(refused), beside=key)
    finally:
        let_go(file)


def _read_labels(text: str, split: Split, classes: tuple[str, ...]) -> LaterFiles:
    from compress_core.reviews.late_labels import labels_by_item

    return replace(given(split), labels=tuple(labels_by_item(text, split, classes).items()))


def _read_groups(text: str, split: Split) -> LaterFiles:
    from compress_core.reviews.late_groups import read_groups

    return replace(given(split), groups=tuple(read_groups(text, split).tolist()))
