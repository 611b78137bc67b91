"""Behavior where answers are real numbers or vectors: how far they moved, and which items moved furthest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from compress_core.measure.behavior.item_table import with_file_items
from compress_core.subject.answer_kind import AnswerKind
from dashboard.figures.moved_answers import moved_values, turned_vectors
from dashboard.number_table import number_table
from dashboard.show import figure, is_dark, kept, provenance
from dashboard.text import _

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.measure.behavior.compare import Comparison
    from compress_core.subject.split import Split

_FURTHEST = 50


def draw(model: Model, compared: Comparison, split: Split) -> None:
    """One figure of all items, and a table of those that moved furthest."""
    shifts, dark = with_file_items(compared.shifts(), split), is_dark()
    draws = moved_values if model.subject.answers is AnswerKind.VALUES else turned_vectors
    seen = f"{model.key}:{split.digest}:{split.numbering}"  # it names the item that moved furthest
    judged = provenance(split=split.name, items=len(split))
    figure(kept("moved", seen, lambda: draws(shifts, dark=dark)), "behavior.moved", judged)
    st.subheader(_("Items that moved furthest"))
    titles = {
        "item": _("item"),
        "file_item": _("item of the file"),
        "before": _("before"),
        "after": _("after"),
        "shift": _("moved by"),
        "wanted": _("right answer"),
    }
    shown = shifts.head(_FURTHEST)
    number_table(shown.rename(columns=titles), "behavior.moved.items", judged, taken=shifts)
