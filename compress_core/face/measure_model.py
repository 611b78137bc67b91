"""evaluate and compare: what a model can do, and what it cost to make it small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from compress_core.apply.model import Model
from compress_core.face.checked_arguments import checked_compressed, checked_model, checked_name
from compress_core.face.number_frame import number_frame
from compress_core.face.shared_store import shared_store
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.measure.behavior import evaluate as behavior
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.item_table import with_file_items
from compress_core.subject.subject import Subject

if TYPE_CHECKING:
    import plotly.graph_objects as go

VALIDATION = "validation"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Every number of one model on one split; a notebook shows it as a table."""

    model: Model
    split: str
    numbers: Mapping[str, Number]

    def frame(self) -> pd.DataFrame:
        """A row for each number: value, low, high (95 % interval), unit, n, how, reason."""
        return number_frame(self.numbers)

    def _repr_html_(self) -> str:
        return self.frame().to_html(na_rep="")


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """A model beside the one as loaded, on the same items; a notebook shows it as a table.

    numbers: of the model, those like churn and accuracy_change against the original. original: its numbers.
    behavior: every item's answer of both, with flips, changed items and reliability as frames.
    """

    model: Model
    split: str
    numbers: Mapping[str, Number]
    original: Mapping[str, Number]
    behavior: Comparison

    @property
    def verdict(self) -> str:
        """Whether more than 0.3 points of accuracy were lost: no loss, loss, undecided, not measured."""
        return self.behavior.no_loss().outcome

    def frame(self) -> pd.DataFrame:
        """A row for each number of the compressed model, as in `Evaluation.frame`, and its value before."""
        frame = number_frame(self.numbers)
        before = pd.Series({name: number.value for name, number in self.original.items()}, dtype=float)
        frame.insert(0, "original", before.reindex(frame.index))
        return frame

    def per_class(self) -> pd.DataFrame:
        """Accuracy of each class before and after, the worst change first; raises Refused without labels.

        Columns: class (its name), n, accuracy_before, accuracy_after (shares), change, low, high (points,
        paired intervals that all hold together with 95 %), p, p_holm.
        """
        frame = self.behavior.per_class()
        names = self.model.subject.classes
        return frame.assign(**{"class": [names[index] for index in frame["class"]]})

    def changed_items(self) -> pd.DataFrame:
        """A row for each item whose predicted class changed, the biggest drop of confidence first.

        Columns: those of `behavior.changed_items`, and behind item, which counts within the split, file_item:
        its number in the file that it came from, where that is another.
        """
        return with_file_items(self.behavior.changed_items(), self.model.subject.split(self.split))

    def figure(self) -> go.Figure:
        """The change of accuracy of every class with its interval, as a plotly figure; needs labels."""
        from compress_core.face.class_figure import class_figure

        return class_figure(
            self.per_class(), self.numbers["accuracy_change"], self.original["bytes"], self.numbers["bytes"]
        )

    def _repr_html_(self) -> str:
        items = f"{self.split} split, N = {len(self.model.subject.split(self.split)):,}"
        verdict, change = self.behavior.no_loss(), self.numbers["accuracy_change"]
        why = f": {change.reason or change.no_interval}" if verdict.outcome == "not measured" else "."
        said = f"{verdict.said} (95 % confidence, {items}){why}"
        return f"{self.frame().to_html(na_rep='')}<p>Verdict on accuracy: {said}</p>"


def evaluate(model: Model | Subject, *, split: str = VALIDATION, store: Store | None = None) -> Evaluation:
    """Accuracy with its interval, calibration, bytes, sparsity and MACs of a model, loaded or compressed.

    split: validation, or test for the last word where the model has one. Raises Refused where there are no
    such items.

        evaluate(small).frame()
    """
    made = checked_model(model, "evaluate")
    numbers = behavior.evaluate(
        made, made.subject.split(checked_name("split", split)), store or shared_store()
    )
    return Evaluation(made, split, numbers)


def compare(model: Model, *, split: str = VALIDATION, store: Store | None = None) -> ModelComparison:
    """A compressed model beside the one it was made of, on the same items: what was lost, and by whom.

    The change of accuracy is paired, item by item. Raises Refused where there are no such items.

        compare(small).figure()
    """
    made = checked_compressed(model, "compare")
    items, kept = made.subject.split(checked_name("split", split)), store or shared_store()
    return ModelComparison(
        model=made,
        split=split,
        numbers=behavior.evaluate(made, items, kept),
        original=behavior.evaluate(Model.original(made.subject), items, kept),
        behavior=behavior.compare(made, items, kept),
    )
