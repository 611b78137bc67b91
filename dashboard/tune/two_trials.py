"""Two lines of the log side by side: their numbers, and the difference of their recipes."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import streamlit as st

from compress_core.apply.lineage import trainings_of
from compress_core.measure.behavior.metric import Shown, every_shown
from compress_core.recipe.difference import changes
from dashboard.lineage_name import methods_text
from dashboard.show import with_interval
from dashboard.text import _, literal
from dashboard.tune.recipe_words import difference_frame
from dashboard.tune.trial_words import NOT_YET, TriedLine, number_in


def draw(first: TriedLine, second: TriedLine) -> None:
    """Two tables, the earlier line left."""
    one, other = _title(first), _title(second)
    numbers, steps = st.columns(2, gap="medium")
    with numbers:
        st.markdown(f"**{_('Numbers')}**")
        st.table(numbers_frame(first, second, one, other), border="horizontal", hide_index=True)
    with steps:
        st.markdown(f"**{_('Steps that differ')}**")
        if first.recipe is None or second.recipe is None:
            st.caption(_("One of the recipes cannot be read by this release."))
            return
        found = changes(first.recipe, second.recipe)
        if found:
            st.table(difference_frame(found, one, other), border="horizontal", hide_index=True)
        else:
            st.caption(_("Both have the same recipe."))
        _trainings(first, second)


def _trainings(first: TriedLine, second: TriedLine) -> None:
    """How each was trained since, where one of them was."""
    for line in (first, second):
        for training in trainings_of(line.way):
            st.caption(
                _("{line} was trained by {methods}, {epochs} epochs.").format(
                    line=literal(_title(line)), methods=methods_text(training), epochs=training.epochs
                )
            )


def _title(line: TriedLine) -> str:
    return f"{line.trial.name or line.recipe_name} (#{line.trial.number})"


def numbers_frame(first: TriedLine, second: TriedLine, one: str, other: str) -> pd.DataFrame:
    """A row for each number; what is not known yet says so."""
    rows = list(_rows(first, second))
    return pd.DataFrame(
        {
            "": [title for title, _one, _other in rows],
            one: [said for _title, said, _other in rows],
            other: [said for _title, _one, said in rows],
        }
    )


def _rows(first: TriedLine, second: TriedLine) -> Iterator[tuple[str, str, str]]:
    for name, unit, title in (
        ("bytes", "byte", _("Size of the file")),
        ("sparsity", "share", _("Zeros")),
        ("macs", "MAC", _("Multiplications with an addition (MACs)")),
    ):
        yield title, _said(first, name, unit), _said(second, name, unit)
    told = {**first.trial.numbers, **second.trial.numbers}
    for metric in (one for one in every_shown(Shown.HEADER) if one.name in told or one.is_common):
        yield (
            _(metric.title),
            _said(first, metric.name, metric.unit),
            _said(second, metric.name, metric.unit),
        )
    yield _("Split and N"), _items(first), _items(second)


def _said(line: TriedLine, name: str, unit: str) -> str:
    found = number_in(line.trial, name, unit, NOT_YET)
    if found.value is None and not line.trial.split:
        return _(NOT_YET)
    return with_interval(found)


def _items(line: TriedLine) -> str:
    if not line.trial.split:
        return _(NOT_YET)
    return f"{_(line.trial.split)}, {line.change.n or 0:,}"
