"""Two to five models side by side: sizes, accuracy with intervals, whom each hurts, what each looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import compare, evaluate, predict
from compress_core.measure.cost.cost import costs
from compress_core.recipe.difference import changes
from dashboard import engine, saved_work
from dashboard.figures.classes_hurt import classes_hurt
from dashboard.figures.measures import measures
from dashboard.flip_words import class_of
from dashboard.long_searches import GroupsNotFoundError, made
from dashboard.show import figure, is_dark, number_text, with_interval
from dashboard.text import _, literal, refusal
from dashboard.trade_offs import alike_explained, known_models, picked_models, picked_panel
from dashboard.tune.recipe_words import difference_frame

if TYPE_CHECKING:
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject
    from dashboard.view import View

TITLE = N_("Compare")
ORDER = 20


@dataclass(frozen=True, eq=False)
class Picked:
    """A picked model with its letter, what it is called, and the size of its packed file if that is known."""

    letter: str
    label: str
    model: Model
    packed: Mapping[str, Number]

    @property
    def title(self) -> str:
        """Letter and name, as columns are headed."""
        return f"{self.letter} · {self.label}"


def draw(view: View, model: Model) -> None:
    """The box to pick them, then their numbers, their classes, their steps and their explanations."""
    subject = model.subject
    known_models.note_open_model(view, model)
    table = known_models.known_models(subject)
    picked_panel.pick_by_name(table)
    letters = picked_models.letters(table)
    if len(letters) < 2:
        st.info(_("Pick two to five models, here or among all models."), icon=":material/compare_arrows:")
        return
    shown = _made(subject, table, letters)
    if len(shown) < 2:
        return
    split = subject.splits.get(known_models.SPLIT)
    if split is None:
        st.info(_("This model came without items: only sizes are compared."), icon=":material/upload_file:")
        _numbers(shown, None)
        return
    _numbers(shown, split)
    _against_the_first(shown, split)
    _classes(shown, split)
    if len(shown) == 2:
        _steps(shown)
    alike_explained.draw(view, shown, split)


def _made(subject: Subject, table: pd.DataFrame, letters: Mapping[str, str]) -> list[Picked]:
    """The models themselves; one that cannot be made any more says why."""
    labels = dict(zip(table["key"], table["label"], strict=True))
    sizes = dict(zip(table["key"], table["packed_bytes"], strict=True))
    found = []
    for key, letter in letters.items():
        try:
            model = made(subject, saved_work.way_known_to(key))
            found.append(Picked(letter, str(labels[key]), model, _packed(sizes[key])))
        except GroupsNotFoundError:
            raise
        except Refused as refused:
            st.warning(literal(f"{letter} · {labels[key]}: {refusal(refused)}"), icon=":material/block:")
    return found


def _packed(size: float) -> Mapping[str, Number]:
    return {} if np.isnan(size) else {"packed_bytes": Number(float(size), "byte", "measured")}


def _numbers(shown: Sequence[Picked], split: Split | None) -> None:
    """A row for each number, a column for each model, intervals beside the values."""
    store = engine.store()
    known: list[Mapping[str, Number]] = [
        {**(costs(one.model, store) if split is None else evaluate(one.model, split, store)), **one.packed}
        for one in shown
    ]
    rows = []
    for measure in measures():
        if any(measure.name in numbers for numbers in known):
            cells = {one.title: _said(n.get(measure.name)) for one, n in zip(shown, known, strict=True)}
            rows.append({"": _(measure.title), **cells})
    st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)
    if split is not None:
        st.caption(
            _(
                "On the {split} split, N = {items:,}; changes are against the original, on the same items."
            ).format(split=_(split.name), items=len(split))
        )


def _said(number: Number | None) -> str:
    return _("not measured") if number is None else with_interval(number)


def _against_the_first(shown: Sequence[Picked], split: Split) -> None:
    """Every other model against the first one, item by item: that is surer than two intervals apart."""
    store = engine.store()
    first = predict(shown[0].model, split, store)
    for one in shown[1:]:
        numbers = Comparison(first, predict(one.model, split, store)).numbers
        said = _("{other} against {first}: accuracy {change}, another class on {churn} of the items.")
        st.markdown(
            said.format(
                other=f"**{literal(one.title)}**",
                first=f"**{literal(shown[0].title)}**",
                change=with_interval(numbers["accuracy_change"]),
                churn=number_text(numbers["churn"]),
            )
        )


def _classes(shown: Sequence[Picked], split: Split) -> None:
    if split.labels is None:
        return
    subject = shown[0].model.subject
    tables = [compare(one.model, split, engine.store()).per_class().set_index("class") for one in shown]
    numbers = sorted(set().union(*(table.index for table in tables)))
    change, low, high = (
        np.stack([table[name].reindex(numbers).to_numpy(np.float64) for table in tables], axis=1)
        for name in ("change", "low", "high")
    )
    names = [class_of(subject, number) for number in numbers]
    drawn = classes_hurt(change, low, high, names, [one.title for one in shown], dark=is_dark())
    figure(drawn, "trade_offs.classes", known_models.provenance_of(subject))


def _steps(shown: Sequence[Picked]) -> None:
    """The steps in which the recipes of two models differ."""
    one, other = shown
    found = changes(one.model.recipe, other.model.recipe)
    st.markdown(f"**{_('Steps that differ')}**")
    if found:
        st.table(difference_frame(found, one.title, other.title), border="horizontal", hide_index=True)
    else:
        st.caption(_("Both have the same recipe."))
