"""Right answers that come later, and only for the items on which two models disagree: those are enough.

Where both models say the same, both are right or both are wrong, so the change of accuracy does not depend on
what is right there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.texts import Phrase
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.item_table import ITEM, with_file_items
from compress_core.measure.behavior.metrics.accuracy_change import change_of_counts
from compress_core.numerics.intervals import mcnemar_exact, wilson
from compress_core.reviews.item_csv import words_by_item
from compress_core.subject.split import Split

LABEL = "label"


def disagreements(comparison: Comparison) -> NDArray[np.int64]:
    """The items on which the two models disagree [n], in the order of the split."""
    return comparison.items_changed


def disagreement_frame(comparison: Comparison, names: tuple[str, ...], split: Split) -> pd.DataFrame:
    """A row for each of these: item, before, after (names of classes), and an empty label to fill in.

    With file_item, where their numbers in the file are others.
    """
    items = disagreements(comparison)
    comparison.before.refuse_several_decisions()
    answers = {
        side: [names[int(c)] if c >= 0 else "" for c in predictions.predicted[items]]
        for side, predictions in (("before", comparison.before), ("after", comparison.after))
    }
    return with_file_items(pd.DataFrame({ITEM: items, **answers, LABEL: ""}), split)


def read_labels(text: str, comparison: Comparison, names: tuple[str, ...], split: Split) -> NDArray[np.int64]:
    """The labels of a CSV file with the columns item and label [n], in the order of `disagreements`.

    A label is the name of a class, or its number. Raises Refused for what cannot be used, and for items that
    are left out: guessing them would turn the verdict.
    """
    said = words_by_item(text, LABEL, split)
    wanted, numbers = _labeled(said, comparison, split), _numbers_of(names)
    found = [_class_of(said[item], numbers, split.told(item)) for item in wanted.tolist()]
    return np.array(found, dtype=np.int64)


def matched_labels(said: Mapping[int, int], comparison: Comparison, split: Split) -> NDArray[np.int64]:
    """The same [n] from classes by item, as `labels_by_item` gives them; raises Refused."""
    return np.array([said[int(item)] for item in _labeled(said, comparison, split)], dtype=np.int64)


def _labeled(said: Collection[int], comparison: Comparison, split: Split) -> NDArray[np.int64]:
    """The items on which the models disagree [n], once it is sure that just these have labels."""
    wanted = disagreements(comparison)
    strange = sorted(set(said) - set(wanted.tolist()))
    if strange:
        raise Refused(
            "The labels name {item}, on which both models agree: give those of the list that the review "
            "wrote, for the same model and recipe.",
            item=split.told(strange[0]),
        )
    absent = [int(item) for item in wanted if int(item) not in said]
    if absent:
        raise Refused(
            "The labels leave out {count:,} of the {all:,} items on which the models disagree, the first of "
            "them {item}: label all of them.",
            count=len(absent),
            all=wanted.size,
            item=split.told(absent[0]),
        )
    return wanted


def _numbers_of(names: tuple[str, ...]) -> dict[str, int]:
    return {name: index for index, name in enumerate(names)}


def labels_by_item(text: str, split: Split, names: tuple[str, ...]) -> dict[int, int]:
    """The class of each item that a file of labels names, in order; no answer is looked at.

    Raises Refused for labels that do not fit whatever the models answer.
    """
    if split.labels is not None:
        raise Refused("These items have labels already: leave out the file of labels.")
    numbers = _numbers_of(names)
    found: dict[int, int] = {}
    for item, said in sorted(words_by_item(text, LABEL, split).items()):
        if item >= len(split):
            raise Refused(
                "The labels name item {item}, but the {split} split has {items:,} items, counted from 0: "
                "give the list that the review wrote.",
                item=item,
                split=Phrase(split.name),
                items=len(split),
            )
        found[item] = _class_of(said, numbers, split.told(item))
    return found


def _class_of(said: str, numbers: Mapping[str, int], item: Phrase) -> int:
    if said in numbers:
        return numbers[said]
    if said.isdecimal() and len(said) < 9 and int(said) < len(numbers):
        return int(said)
    raise Refused(
        "The label of {item} is {got!r}, which is no class of this model: give a name or a number from 0 to "
        "{last}.",
        item=item,
        got=said[:40],
        last=len(numbers) - 1,
    )


def numbers_from_labels(comparison: Comparison, labels: NDArray[np.int64]) -> Mapping[str, Number]:
    """What follows exactly from the labels [n] of the items on which the models disagree, by metric."""
    comparison.before.refuse_several_decisions()
    items, n = disagreements(comparison), comparison.after.n
    lost = int(np.count_nonzero(comparison.before.predicted[items] == labels))
    gained = int(np.count_nonzero(comparison.after.predicted[items] == labels))
    return {
        "accuracy_change": change_of_counts(gained, lost, n),
        "right_to_wrong": _counted(lost, n),
        "wrong_to_right": _counted(gained, n),
        "mcnemar": Number(float(mcnemar_exact(gained, lost)), "p", "measured", n=n),
    }


def _counted(count: int, n: int) -> Number:
    low, high = wilson(count, n).times(n)
    return Number(count, "item", "measured", float(low), float(high), n)


def labeled_flips(changed: pd.DataFrame, labels: NDArray[np.int64]) -> pd.DataFrame:
    """Rows of `Comparison.changed_items` with labels [n] of the items in their order, and what follows."""
    of_item = dict(zip(sorted(changed["item"]), labels.tolist(), strict=True))
    found = changed.assign(label=pd.array([of_item[i] for i in changed["item"]], dtype="Int64"))
    kind = np.where(found["label"] == found["before"], "right_to_wrong", "wrong_to_wrong")
    return found.assign(kind=np.where(found["label"] == found["after"], "wrong_to_right", kind))
